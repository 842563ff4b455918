//! The backend that is real: stacks as subprocesses of lab or in containers, requests over sockets of this machine, a
//! load driver in a process of its own.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::time::MissedTickBehavior;

use super::backend::{Asked, Backend, Description, Driven, NoAnswer};
use super::plan::{drive_plan, program};
use super::watch::{self, Lookout, Watch, Watched};
use crate::check::probe::{self, ProbeError};
use crate::check::redact::Redaction;
use crate::record::{ComponentRecord, ImageRecord};
use crate::scenario::model::{self as scenario, CheckRequest, Driver, External, Load, Scenario, Stack};
use crate::stack::component_spec::ImageIdentity;
use crate::stack::container::launcher::ContainerLauncher;
use crate::stack::container::run_network::RunNetworkError;
use crate::stack::container::scenario_images::ScenarioImageError;
use crate::stack::guarded::{Guarded, Output, Program};
use crate::stack::process::ProcessLauncher;
use crate::stack::ready::last_lines;
use crate::stack::running::{RunningComponent, RunningStack};
use lab_load::protocol::{Decoder, DrivePlan, Event};

/// How long a driver may take beyond its warm-up and window: starting its users, and writing its outcome.
const DRIVER_EXTRA: Duration = Duration::from_secs(40);

/// Stacks on this machine.
#[derive(Debug)]
pub struct Local {
    /// Starts the stacks.
    pub launcher: ProcessLauncher,
    /// Cores of the load driver; empty leaves it unpinned.
    pub load_cores: Vec<u16>,
    /// The run's name in a container engine.
    pub run: String,
    /// Starts the stacks that are run in containers; opened by [`Local::open`] where there are any.
    pub containers: Option<ContainerLauncher>,
}

impl Backend for Local {
    type Running = RunningStack;

    fn missing(&self, stack: &Stack) -> Option<String> {
        stack.refused_in_containers().or_else(|| self.launcher.unavailable(stack))
    }

    async fn start(&mut self, stack: &Stack, visit: &str) -> Result<RunningStack, String> {
        match (stack.backend, &mut self.containers) {
            (scenario::Backend::Process, _) => self.launcher.start(stack, visit).await.map_err(in_full),
            (scenario::Backend::Container, Some(containers)) => containers.start(stack, visit).await.map_err(in_full),
            (scenario::Backend::Container, None) => Err("the run has no place in a container engine".to_owned()),
        }
    }

    fn describe(&self, running: &RunningStack) -> Description {
        let components = running.components.iter();
        let names = std::iter::once("{host}:{port}".to_owned())
            .chain(running.components.iter().skip(1).map(|inner| format!("{{{}}}", inner.role)));
        Description {
            components: components
                .clone()
                .map(|part| ComponentRecord {
                    role: part.role,
                    version: part.version.clone(),
                    image: part.image.clone().map(|ImageIdentity { name, id, digest }| ImageRecord {
                        name,
                        id,
                        digest,
                    }),
                })
                .collect(),
            redaction: Redaction {
                addresses: components.clone().map(|part| part.address).zip(names).collect(),
                names: running.names.clone(),
                versions: versions(components),
            },
        }
    }

    async fn ask(&mut self, running: &RunningStack, request: &CheckRequest) -> Result<Asked, NoAnswer> {
        let (observed, values) =
            probe::ask(running.entry(), running.client, request).await.map_err(|error| match error {
                silent @ ProbeError::Silent { .. } => NoAnswer::Silent(in_full(silent)),
                other => NoAnswer::Failed(in_full(other)),
            })?;
        Ok(Asked { observed, values })
    }

    fn unavailable(&self, load: &Load) -> Option<String> {
        match &load.driver {
            Driver::External(external) => program(external, load.duration).find().err(),
            Driver::Goose { .. } | Driver::Closed { .. } | Driver::Open(_) => None,
        }
    }

    async fn drive(
        &mut self,
        running: &mut RunningStack,
        load: &Load,
        warmup: Duration,
        visit: &str,
    ) -> Result<Driven, String> {
        let entry = match load.tls {
            None => Some(running.entry()),
            Some(_) => running.tls_entry(),
        };
        let nowhere =
            "nothing of the stack listens with TLS, which the load speaks; a `listen … ssl` of its proxy would";
        let plan = drive_plan(load, warmup, entry.ok_or(nowhere)?);
        let folder = self.launcher.folder.join(visit);
        let lookout = Lookout::begin();
        let mut driver = self.start_driver(&plan, &folder).map_err(|error| format!("start the driver: {error}"))?;
        let deadline = (warmup + load.duration + DRIVER_EXTRA).saturating_add(last_answers(load));
        let window = match tokio::time::timeout(deadline, follow(&mut driver, running, lookout)).await {
            Ok(window) => window,
            Err(_) => Err(format!("the driver was not done within {} s", deadline.as_secs())),
        };
        let log = driver.log().to_owned();
        let stopped = driver.stop().await;
        let window = window.map_err(|error| match running.failure().map(|failure| failure.to_string()) {
            Some(how) => how,
            None => format!("{error}{}", said(&log)),
        })?;
        stopped.map_err(|error| format!("stop the driver: {error}"))?;
        Ok(window)
    }

    async fn stop(&mut self, running: RunningStack) -> Result<(), String> {
        running.stop().await.map_err(|error| format!("stop the stack: {error}"))
    }
}

impl Local {
    /// Finds the container engine and makes a place for the run in it, if one of the scenario's stacks needs that.
    ///
    /// # Errors
    /// There is no engine, or it refuses.
    pub async fn open(&mut self, scenario: &Scenario) -> Result<(), RunNetworkError> {
        if scenario
            .stacks
            .iter()
            .any(|stack| stack.backend == scenario::Backend::Container && self.missing(stack).is_none())
        {
            self.containers = Some(ContainerLauncher::open(self.launcher.clone(), &self.run).await?);
        }
        Ok(())
    }

    /// Has the engine get the images that the scenario's stacks name; what that takes is told to `say`, a line at a
    /// time.
    ///
    /// # Errors
    /// One cannot be pulled or built, or does not have its kind.
    pub async fn obtain(&mut self, scenario: &Scenario, say: &mut dyn FnMut(&str)) -> Result<(), ScenarioImageError> {
        let Some(mut containers) = self.containers.take() else { return Ok(()) };
        let is_proxied =
            |stack: &scenario::Stack| stack.backend == scenario::Backend::Container && stack.proxy.is_some();
        if let Some(warning) = containers.warning().filter(|_| scenario.stacks.iter().any(is_proxied)) {
            say(warning);
        }
        let mut outcome = Ok(());
        for stack in &scenario.stacks {
            if outcome.is_ok() && self.missing(stack).is_none() {
                outcome = containers.obtain_images(stack, &scenario.root, say).await;
            }
        }
        self.containers = Some(containers);
        outcome
    }

    /// Removes what the run made in a container engine, and waits for it.
    ///
    /// # Errors
    /// Something may be left.
    pub async fn close(self) -> Result<(), RunNetworkError> {
        match self.containers {
            Some(containers) => containers.close().await,
            None => Ok(()),
        }
    }

    fn start_driver(&self, plan: &DrivePlan, folder: &Path) -> std::io::Result<Guarded> {
        let input: PathBuf = folder.join("driver.plan.json");
        std::fs::write(&input, plan.to_json().map_err(std::io::Error::other)?)?;
        let program = Program {
            command: vec![self.launcher.lab.display().to_string(), "drive".to_owned()],
            environment: Vec::new(),
            cores: self.load_cores.clone(),
            // A driver has nothing to put in order.
            grace: Duration::from_millis(200),
            sockets: Vec::new(),
            input: Some(input),
            output: Output::Piped(folder.join("driver.log")),
        };
        Guarded::start(&self.launcher.lab, program)
    }
}

/// How long a driver may wait for its last answers. An open loop waits for the last of what was scheduled: to begin, and to
/// be answered. httperf does so behind each of its rates and for each call of its last sessions, and behind the warm-up.
fn last_answers(load: &Load) -> Duration {
    match &load.driver {
        Driver::External(External::Httperf { rate, calls, .. }) => {
            let runs = 1 + u32::try_from(rate.stretches(load.duration).len()).unwrap_or(u32::MAX);
            load.timeout.saturating_mul(runs.saturating_mul(calls.get()))
        }
        _ => 2 * load.timeout,
    }
}

/// Follows a driver's events to its outcome, and reads what the components use between the window's two ends: at the
/// instants that the driver has announced, or else when it says that they have come.
///
/// A component that has ended by the window's end is an error of the round: what it did not use is no measurement.
async fn follow(driver: &mut Guarded, running: &mut RunningStack, mut lookout: Lookout) -> Result<Driven, String> {
    let stdout = driver.take_stdout().ok_or("the driver's output was taken before")?;
    let mut lines = BufReader::new(stdout).lines();
    let mut decoder = Decoder::default();
    let mut window = Window::Ahead { opens: None, closes: None };
    let mut ticks = tokio::time::interval(watch::INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let line = tokio::select! {
            // Its end is told beforehand, so that the reading does not wait for the driver's word in a full pipe.
            biased;
            () = window.end() => {
                window = window.turn(all_alive(running)?, &mut lookout)?;
                continue;
            }
            line = lines.next_line() => line.map_err(|error| format!("read the driver's events: {error}"))?,
            _ = ticks.tick() => {
                all_alive(running)?;
                lookout.look();
                if let Window::Open { watch, .. } = &mut window {
                    watch.look(&running.components);
                }
                continue;
            }
        };
        let Some(line) = line else {
            decoder.finish().map_err(in_full)?;
            return Err("the driver ended without an outcome".to_owned());
        };
        match decoder.line(&line).map_err(in_full)? {
            Event::Ready { window: Some(ends) } => {
                window = Window::Ahead { opens: Some(instant(ends.opens)), closes: Some(instant(ends.closes)) };
            }
            Event::Ready { window: None } => {}
            Event::WindowOpened => {
                if let Window::Ahead { .. } = window {
                    window = window.turn(all_alive(running)?, &mut lookout)?;
                }
            }
            Event::WindowClosed => {
                if let Window::Open { .. } = window {
                    window = window.turn(all_alive(running)?, &mut lookout)?;
                }
            }
            Event::Outcome(outcome) => {
                let Window::Closed(Watched { components, machine }) = window else {
                    return Err("the driver's window has not closed".to_owned());
                };
                return Ok(Driven { outcome: *outcome, components, machine });
            }
        }
    }
}

/// Where the window is, and when it goes on, if that is known.
enum Window {
    Ahead { opens: Option<Instant>, closes: Option<Instant> },
    Open { watch: Watch, closes: Option<Instant> },
    Closed(Watched),
}

impl Window {
    /// Waits for its next end; for ever if that is not known, or there is none.
    async fn end(&self) {
        match self {
            Window::Ahead { opens: Some(at), .. } | Window::Open { closes: Some(at), .. } => {
                tokio::time::sleep_until((*at).into()).await;
            }
            Window::Ahead { opens: None, .. } | Window::Open { closes: None, .. } | Window::Closed(_) => {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Opens it, or closes it.
    fn turn(self, components: &[RunningComponent], lookout: &mut Lookout) -> Result<Window, String> {
        Ok(match self {
            Window::Ahead { closes, .. } => Window::Open { watch: Watch::open(components)?, closes },
            Window::Open { watch, .. } => Window::Closed(watch.close(components, lookout)?),
            closed @ Window::Closed(_) => closed,
        })
    }
}

/// An instant of the clock that the driver shares (`CLOCK_MONOTONIC`, which is what an [`Instant`] is of).
fn instant(at: Duration) -> Instant {
    let time = clock_gettime(ClockId::Monotonic);
    let shared = Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0));
    Instant::now() + at.saturating_sub(shared)
}

/// The components' versions as they stand in Server fields, behind a slash.
fn versions<'a>(components: impl Iterator<Item = &'a RunningComponent>) -> Vec<(String, String)> {
    let own = std::iter::once(env!("CARGO_PKG_VERSION"));
    // What follows in parentheses says where it runs.
    let theirs = components.filter_map(|part| part.version.split(" (").next()?.rsplit(' ').next());
    let mut versions: Vec<_> =
        own.chain(theirs).map(|version| (format!("/{version}"), "/{version}".to_owned())).collect();
    versions.sort();
    versions.dedup();
    versions
}

/// The components, none of which has ended.
fn all_alive(running: &mut RunningStack) -> Result<&[RunningComponent], String> {
    match running.failure().map(|failure| failure.to_string()) {
        Some(how) => Err(how),
        None => Ok(&running.components),
    }
}

/// An error with its sources.
fn in_full(error: impl std::error::Error + Send + Sync + 'static) -> String {
    format!("{:#}", anyhow::Error::new(error))
}

/// The end of a driver's log, as it stands under an error.
fn said(log: &Path) -> String {
    let lines = last_lines(log, 5);
    if lines.is_empty() { String::new() } else { format!("\n  | {}", lines.replace('\n', "\n  | ")) }
}
