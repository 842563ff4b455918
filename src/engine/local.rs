//! The real backend: stacks as subprocesses of lab, in containers or in a swarm, requests over sockets of this machine, and a
//! load driver in a process of its own.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::backend::{Backend, DriveResult, StackDescription};
use super::drive_plan::{drive_plan, program};
use super::driver::follow;
use super::error::{BackendError, CleanupError, DriverError};
use super::sampler::ConnectionCounter;
use super::swarm::{SwarmSessionError, SwarmStacks, is_in_swarm};
use crate::check::cache_status::{ServerRequest, ServerResponse, cache_statuses};
use crate::check::observed::UpstreamObservation;
use crate::check::probe::{self, ProbeError, ProbeResult};
use crate::check::redact::Redaction;
use crate::record::{ComponentRecord, ImageRecord, NetworkPath};
use crate::scenario::model::{self as scenario, CheckRequest, Driver, External, Load, Scenario, Stack};
use crate::stack::app_observer::AppObserver;
use crate::stack::component_spec::ImageIdentity;
use crate::stack::container::launcher::ContainerLauncher;
use crate::stack::container::run_network::RunNetworkError;
use crate::stack::container::scenario_images::ScenarioImageError;
use crate::stack::guarded::{Guarded, Output, Program};
use crate::stack::logs::{self, LogExcerpt, LogPositions};
use crate::stack::process::ProcessLauncher;
use crate::stack::ready::last_lines;
use crate::stack::recording::Recording;
use crate::stack::relay::{Relay, RelayedRequest, RelayedResponse};
use crate::stack::running::{RunningComponent, RunningStack};
use crate::stack::service::ServiceContainers;
use lab_load::drivers::external;
use lab_load::wire::DrivePlan;

/// How long a driver may take beyond its warm-up and window, to start its users and to write its outcome.
const DRIVER_EXTRA: Duration = Duration::from_secs(40);

/// How long a driver may take to stop: it has nothing to clean up.
const DRIVER_GRACE: Duration = Duration::from_millis(200);

/// How long components may take to log after their response, and the time between two looks.
const LOG_WAIT: Duration = Duration::from_millis(300);
const LOG_INTERVAL: Duration = Duration::from_millis(20);

/// How much of a driver's log an error shows.
const EXCERPT_LINES: usize = 5;

/// Stacks on this machine.
#[derive(Debug)]
pub struct Local {
    pub launcher: ProcessLauncher,
    /// Cores of the load driver; empty leaves it unpinned.
    pub load_cores: Vec<u16>,
    /// The run's name in a container engine.
    pub run: String,
    /// Set by [`Local::open`] if the scenario has stacks in containers, or services with images.
    pub containers: Option<ContainerLauncher>,
    /// Set by [`Local::open_swarm`] if the scenario has stacks in a swarm.
    pub swarm: Option<SwarmStacks>,
}

impl Backend for Local {
    type Running = RunningStack;

    fn missing(&self, stack: &Stack) -> Option<String> {
        stack.refused_by_backend().or_else(|| self.launcher.unavailable(stack))
    }

    async fn start(&mut self, stack: &Stack, visit: &str, recording: Recording) -> Result<RunningStack, BackendError> {
        match (stack.backend, &mut self.containers) {
            (scenario::Backend::Process, containers) => {
                let engine = containers.as_ref().map(|containers| containers.network() as &dyn ServiceContainers);
                Ok(self.launcher.start(stack, visit, recording, engine).await?)
            }
            (scenario::Backend::Container, Some(containers)) => Ok(containers.start(stack, visit, recording).await?),
            (scenario::Backend::Container, None) => Err(BackendError::NoContainerEngine),
            (scenario::Backend::Swarm, _) => {
                let swarm = self.swarm.as_mut().ok_or(BackendError::NoSwarm)?;
                swarm.start(stack, visit, recording).await
            }
        }
    }

    fn describe(&self, running: &RunningStack) -> StackDescription {
        let components = running.components.iter();
        let inner = components.clone().skip(1).map(|component| format!("{{{}}}", component.role));
        let names = std::iter::once("{host}:{port}".to_owned()).chain(inner);
        let mut addresses: Vec<_> = components.clone().map(|component| component.address).zip(names).collect();
        if let (Some(relay), Some((_, server))) = (&running.relay, addresses.last().cloned()) {
            addresses.push((relay.address(), server));
        }
        addresses.extend(running.tls_entry().map(|tls| (tls, "{host}:{port}".to_owned())));
        StackDescription {
            components: components.clone().map(component_record).collect(),
            redaction: Redaction { addresses, names: running.names.clone(), versions: versions(components) },
        }
    }

    async fn probe(&mut self, running: &RunningStack, request: &CheckRequest) -> Result<ProbeResult, ProbeError> {
        let entry = match request.is_tls() {
            true => running.tls_entry().ok_or(ProbeError::NoTls)?,
            false => running.entry(),
        };
        let (relay, observer) = (running.relay.as_ref(), running.observer.as_ref());
        relay.inspect(|relay| relay.clear());
        observer.inspect(|observer| observer.clear());
        let probed = probe::probe(entry, running.client, request).await?;
        let upstream = UpstreamObservation {
            received: relay.map(Relay::last_request),
            app: observer.map(AppObserver::last_view),
            cache: relay.map(|relay| cache_statuses(&probed.responses, &server_requests(relay))),
        };
        Ok(ProbeResult { upstream, ..probed })
    }

    fn warnings(&self, running: &RunningStack) -> Vec<String> {
        logs::warnings(running)
    }

    fn log_positions(&self, running: &RunningStack) -> LogPositions {
        logs::positions(running)
    }

    async fn logged_since(&self, running: &RunningStack, positions: &LogPositions) -> Vec<LogExcerpt> {
        let until = tokio::time::Instant::now() + LOG_WAIT;
        loop {
            let added = logs::added_since(running, positions);
            if !added.is_empty() || tokio::time::Instant::now() >= until {
                return added;
            }
            tokio::time::sleep(LOG_INTERVAL).await;
        }
    }

    fn missing_driver(&self, load: &Load) -> Option<String> {
        match &load.driver {
            Driver::External(external) => external::find(&program(external, load.duration)).err(),
            Driver::Goose { .. } | Driver::Closed { .. } | Driver::Open(_) => None,
        }
    }

    async fn drive(
        &mut self,
        running: &mut RunningStack,
        load: &Load,
        warmup: Duration,
        visit: &str,
    ) -> Result<DriveResult, BackendError> {
        if let Some(swarm) = self.swarm.as_mut().filter(|swarm| swarm.has(running)) {
            return swarm.drive(running, load, warmup).await;
        }
        let entry = match load.tls {
            None => running.entry(),
            Some(_) => running.tls_entry().ok_or(BackendError::NoTlsEntry)?,
        };
        let plan = drive_plan(load, warmup, entry);
        let counter = ConnectionCounter::start();
        let folder = self.launcher.folder.join(visit);
        let mut driver = self.start_driver(&plan, &folder).map_err(BackendError::StartDriver)?;
        let deadline = (warmup + load.duration + DRIVER_EXTRA).saturating_add(drain_time(load));
        let result = match tokio::time::timeout(deadline, follow(&mut driver, running, counter)).await {
            Ok(result) => result,
            Err(_) => Err(DriverError::Deadline(deadline)),
        };
        let log = driver.log().to_owned();
        let stopped = driver.stop().await;
        let result = result.map_err(|error| match running.failure() {
            // The end of a component explains the driver's errors.
            Some(failure) => failure.into(),
            None => BackendError::Driver { error, log_excerpt: log_excerpt(&log) },
        })?;
        stopped.map_err(BackendError::StopDriver)?;
        Ok(result)
    }

    async fn stop(&mut self, running: RunningStack) -> Result<(), BackendError> {
        match self.swarm.as_mut().filter(|swarm| swarm.has(&running)) {
            Some(swarm) => swarm.stop(running).await,
            None => running.stop().await.map_err(BackendError::Stop),
        }
    }
}

impl Local {
    /// Opens the run's network in the container engine, if a stack of the scenario needs it.
    ///
    /// # Errors
    /// There is no engine, or it refuses.
    pub async fn open(&mut self, scenario: &Scenario) -> Result<(), RunNetworkError> {
        let needs_engine = |stack: &Stack| is_in_container(stack) || stack.service_images().next().is_some();
        if scenario.stacks.iter().any(|stack| needs_engine(stack) && self.missing(stack).is_none()) {
            self.containers = Some(ContainerLauncher::open(self.launcher.clone(), &self.run).await?);
        }
        Ok(())
    }

    /// Pulls or builds the images of the scenario's stacks. Passes each line of progress to `print`.
    ///
    /// # Errors
    /// An image cannot be pulled or built, or does not have its kind.
    pub async fn obtain_images(
        &mut self,
        scenario: &Scenario,
        print: &mut dyn FnMut(&str),
    ) -> Result<(), ScenarioImageError> {
        let Some(mut containers) = self.containers.take() else { return Ok(()) };
        let is_proxied = |stack: &Stack| is_in_container(stack) && stack.proxy.is_some();
        if let Some(warning) = containers.warning().filter(|_| scenario.stacks.iter().any(is_proxied)) {
            print(warning);
        }
        let mut outcome = Ok(());
        for stack in &scenario.stacks {
            if outcome.is_ok() && self.missing(stack).is_none() {
                outcome = containers.obtain_images(stack, &scenario.root, print).await;
            }
        }
        self.containers = Some(containers);
        outcome
    }

    /// Prepares the swarm, if a stack of the scenario runs in one: places the stacks, and starts an agent on each node. Passes
    /// progress to `print`.
    ///
    /// # Errors
    /// [`SwarmSessionError`].
    pub async fn open_swarm(
        &mut self,
        scenario: &Scenario,
        print: &mut dyn FnMut(&str),
    ) -> Result<(), SwarmSessionError> {
        if scenario.stacks.iter().any(|stack| is_in_swarm(stack) && self.missing(stack).is_none()) {
            print("placing the stacks, and starting an agent on each node of the swarm that takes part");
            self.swarm = Some(SwarmStacks::open(self.launcher.clone(), scenario, &self.run).await?);
        }
        Ok(())
    }

    /// The network between the nodes of a swarm.
    #[must_use]
    pub fn network_paths(&self) -> Vec<NetworkPath> {
        self.swarm.as_ref().map_or_else(Vec::new, |swarm| swarm.paths.clone())
    }

    /// Removes what the run made in a container engine or a swarm, and waits for that.
    ///
    /// # Errors
    /// Something may remain.
    pub async fn close(self) -> Result<(), CleanupError> {
        let containers = match self.containers {
            Some(containers) => containers.close().await.map_err(CleanupError::from),
            None => Ok(()),
        };
        let swarm = match self.swarm {
            Some(swarm) => swarm.close().await.map_err(CleanupError::from),
            None => Ok(()),
        };
        containers.and(swarm)
    }

    fn start_driver(&self, plan: &DrivePlan, folder: &Path) -> std::io::Result<Guarded> {
        let input: PathBuf = folder.join("driver.plan.json");
        std::fs::write(&input, plan.to_json().map_err(std::io::Error::other)?)?;
        let program = Program {
            command: vec![self.launcher.lab.display().to_string(), "drive".to_owned()],
            environment: Vec::new(),
            folder: None,
            cores: self.load_cores.clone(),
            grace: DRIVER_GRACE,
            sockets: Vec::new(),
            input: Some(input),
            output: Output::Piped(folder.join("driver.log")),
        };
        Guarded::start(&self.launcher.lab, program)
    }
}

/// The requests that reached the server behind a relay.
fn server_requests(relay: &Relay) -> Vec<ServerRequest> {
    let response = |RelayedResponse { status, passed_on }| ServerResponse { status, passed_on };
    let request =
        |relayed: RelayedRequest| ServerRequest { arrived: relayed.arrived, response: relayed.response.map(response) };
    relay.requests().into_iter().map(request).collect()
}

fn is_in_container(stack: &Stack) -> bool {
    stack.backend == scenario::Backend::Container
}

fn component_record(component: &RunningComponent) -> ComponentRecord {
    let image = component.image.clone();
    ComponentRecord {
        role: component.role,
        version: component.version.clone(),
        image: image.map(|ImageIdentity { name, id, digest }| ImageRecord { name, id, digest }),
    }
}

/// The components' versions as Server fields show them, after a slash.
fn versions<'a>(components: impl Iterator<Item = &'a RunningComponent>) -> Vec<(String, String)> {
    let own = std::iter::once(env!("CARGO_PKG_VERSION"));
    // A container's version is followed by its engine in parentheses.
    let theirs = components.filter_map(|component| component.version.split(" (").next()?.rsplit(' ').next());
    let mut versions: Vec<_> =
        own.chain(theirs).map(|version| (format!("/{version}"), "/{version}".to_owned())).collect();
    versions.sort();
    versions.dedup();
    versions
}

/// How long a driver may wait for its last responses. An open loop first waits for the last scheduled request to begin.
/// httperf waits after each of its rates and for each call of its last sessions, and after the warm-up.
fn drain_time(load: &Load) -> Duration {
    match &load.driver {
        Driver::External(External::Httperf { rate, calls, .. }) => {
            let runs = 1 + u32::try_from(rate.stages(load.duration).len()).unwrap_or(u32::MAX);
            load.timeout.saturating_mul(runs.saturating_mul(calls.get()))
        }
        _ => 2 * load.timeout,
    }
}

/// The end of a driver's log, shown below an error.
fn log_excerpt(log: &Path) -> String {
    let lines = last_lines(log, EXCERPT_LINES);
    if lines.is_empty() { String::new() } else { format!("\n  | {}", lines.replace('\n', "\n  | ")) }
}
