//! Stacks in a swarm: places them, starts them by the [`SwarmLauncher`], and drives them by the agents of several nodes.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use super::backend::{DriveResult, Interference};
use super::drive_plan::drive_plan;
use super::error::{BackendError, SwarmDriveError};
use super::network_paths;
use crate::hosts::agents::{Agents, AgentsError};
use crate::hosts::assignment::{Assignment, AssignmentError, Node, Place, assign};
use crate::hosts::coordination::{DriverTask, SharedDrive, WatchTask};
use crate::hosts::protocol::{WatchedContainer, WatchedUse};
use crate::hosts::swarm;
use crate::measure::contention::Contention;
use crate::measure::footprint::Peaks;
use crate::measure::machine::Machine;
use crate::record::{ComponentUse, DriverShare, NetworkPath, SharedWindow, micros};
use crate::scenario::model::{Backend, Driver, Load, NodePlacement, Scenario, Stack};
use crate::stack::process::ProcessLauncher;
use crate::stack::recording::Recording;
use crate::stack::running::RunningStack;
use crate::stack::swarm::{
    DockerClient, DockerError, Images, NodePlace, RemoteStack, RunSwarm, StackPlaces, SwarmError, SwarmLauncher,
};
use lab_load::wire::DrivePlan;

/// The stacks of a run in a swarm.
#[derive(Debug)]
pub struct SwarmStacks {
    docker: DockerClient,
    launcher: SwarmLauncher,
    agents: Agents,
    nodes: Vec<Node>,
    placement: NodePlacement,
    /// The network between the nodes, before the first round.
    pub(super) paths: Vec<NetworkPath>,
    /// Those that run, by their entry on this machine.
    running: BTreeMap<SocketAddr, RemoteStack>,
}

/// Why a run cannot use a swarm.
#[derive(Debug, thiserror::Error)]
pub enum SwarmSessionError {
    #[error(transparent)]
    Docker(#[from] DockerError),
    #[error("the stack {stack} cannot be placed")]
    Assignment { stack: String, source: AssignmentError },
    #[error(transparent)]
    Swarm(#[from] SwarmError),
    #[error("cannot start the agents")]
    Agents(#[from] AgentsError),
    #[error("cannot measure the network between the nodes")]
    Network(#[source] AgentsError),
    #[error("the load {load}: {reason}")]
    Load { load: String, reason: String },
}

/// The nodes of a swarm, and where the stacks of a scenario run on them.
#[derive(Debug)]
pub struct SwarmPlan {
    pub nodes: Vec<Node>,
    /// Each stack that runs in the swarm.
    pub stacks: Vec<(String, Assignment)>,
}

impl SwarmPlan {
    /// Places the stacks of a scenario that run in a swarm.
    ///
    /// # Errors
    /// The context has no manager, a stack cannot be placed, or a node cannot get lab's image.
    pub async fn make(docker: &DockerClient, scenario: &Scenario) -> Result<SwarmPlan, SwarmSessionError> {
        let nodes = swarm::nodes(docker).await?;
        let placement = scenario.placement.in_swarm();
        let mut stacks = Vec::new();
        for stack in scenario.stacks.iter().filter(|stack| is_in_swarm(stack)) {
            let assigned = assign(&placement, stack.proxy.is_some(), &nodes);
            let assigned =
                assigned.map_err(|source| SwarmSessionError::Assignment { stack: stack.name.clone(), source })?;
            stacks.push((stack.name.clone(), assigned));
        }
        let plan = SwarmPlan { nodes, stacks };
        if placement.registry.is_none() {
            let manager = swarm::manager(docker).await?;
            let name = |id: &str| plan.nodes.iter().find(|node| node.id == id).map_or(id, |node| &node.name).to_owned();
            let mut others = plan.positions().into_iter().map(|position| &plan.nodes[position]);
            if let Some(other) = others.find(|node| node.id != manager) {
                return Err(SwarmError::NoRegistry { node: other.name.clone(), manager: name(&manager) }.into());
            }
        }
        Ok(plan)
    }

    /// The positions of the nodes that take part.
    fn positions(&self) -> BTreeSet<usize> {
        let places = self.stacks.iter().flat_map(|(_, Assignment { proxy, server, load })| {
            proxy.iter().chain([server]).chain(load).map(|place| place.node)
        });
        places.collect()
    }
}

impl SwarmStacks {
    /// Places the stacks, makes lab's image, starts the agents, and measures the network between them.
    ///
    /// # Errors
    /// [`SwarmSessionError`]. What was made before the error is removed.
    pub async fn open(
        process: ProcessLauncher,
        scenario: &Scenario,
        run: &str,
    ) -> Result<SwarmStacks, SwarmSessionError> {
        let placement = scenario.placement.in_swarm();
        let docker = DockerClient::new(scenario.context.clone());
        let plan = SwarmPlan::make(&docker, scenario).await?;
        scenario.loads.iter().try_for_each(|load| check_load(load, placement.spread))?;
        let (lab, folder) = (process.lab.clone(), process.folder.clone());
        let swarm = RunSwarm::open(docker.clone(), &lab, run, &folder).await?;
        match SwarmStacks::prepare(&process, &swarm, &plan, placement.registry.clone()).await {
            Ok((images, agents, paths)) => {
                let launcher = SwarmLauncher::new(process, swarm, images, agents.coordinator());
                let (nodes, running) = (plan.nodes, BTreeMap::new());
                Ok(SwarmStacks { docker, launcher, agents, nodes, placement, paths, running })
            }
            Err(error) => {
                // Why the run did not start matters more than the leftovers, which the reaper has logged.
                let _ = swarm.close().await;
                Err(error)
            }
        }
    }

    async fn prepare(
        process: &ProcessLauncher,
        swarm: &RunSwarm,
        plan: &SwarmPlan,
        registry: Option<String>,
    ) -> Result<(Images, Agents, Vec<NetworkPath>), SwarmSessionError> {
        let labels = swarm.labels().to_vec();
        let images = Images::make(swarm.docker.clone(), &process.lab, registry, &swarm.run, labels).await;
        let images = images.map_err(SwarmError::from)?;
        let positions = plan.positions();
        let nodes = (plan.nodes.as_slice(), &positions);
        let mut agents = Agents::start(swarm, images.base(), nodes, &process.folder, images.has_registry()).await?;
        let assignments = plan.stacks.iter().map(|(_, assignment)| assignment);
        let paths = network_paths::measure(&plan.nodes, assignments, &mut agents).await;
        let paths = paths.map_err(SwarmSessionError::Network)?;
        Ok((images, agents, paths))
    }

    /// Starts a stack.
    ///
    /// # Errors
    /// A node or the coordinator is lost, or a service cannot be started.
    pub async fn start(
        &mut self,
        stack: &Stack,
        visit: &str,
        recording: Recording,
    ) -> Result<RunningStack, BackendError> {
        self.check_participants().await?;
        let assigned = assign(&self.placement, stack.proxy.is_some(), &self.nodes);
        let Assignment { proxy, server, .. } = assigned.map_err(SwarmDriveError::from)?;
        let place = |Place { node, cores }: Place| NodePlace { node: self.nodes[node].id.clone(), cores };
        let places = StackPlaces { proxy: proxy.map(place), server: place(server) };
        let (running, remote) = self.launcher.start(stack, &places, visit, recording).await?;
        self.running.insert(running.entry(), remote);
        Ok(running)
    }

    /// Checks that the coordinator and all nodes with agents are still there. Otherwise the swarm would wait for a lost node.
    async fn check_participants(&mut self) -> Result<(), SwarmDriveError> {
        self.agents.check_coordinator()?;
        let now = swarm::nodes(&self.docker).await.map_err(SwarmDriveError::Nodes)?;
        for known in self.nodes.iter().filter(|node| self.agents.position(&node.id).is_some()) {
            let state = match now.iter().find(|node| node.id == known.id) {
                Some(node) => node.unavailable.clone(),
                None => Some("no longer in the swarm".to_owned()),
            };
            if let Some(state) = state {
                return Err(SwarmDriveError::NodeLost { node: known.name.clone(), state });
            }
        }
        Ok(())
    }

    /// Whether a stack is one of these.
    pub(super) fn has(&self, running: &RunningStack) -> bool {
        self.running.contains_key(&running.entry())
    }

    /// Drives a stack by a driver on each of the load's nodes.
    ///
    /// # Errors
    /// There is no valid window.
    pub async fn drive(
        &mut self,
        running: &RunningStack,
        load: &Load,
        warmup: Duration,
    ) -> Result<DriveResult, BackendError> {
        let remote = self.running.get(&running.entry()).ok_or(SwarmDriveError::NotRunning)?;
        let entry = match load.tls {
            None => remote.entry,
            Some(_) => remote.tls_entry.ok_or(BackendError::NoTlsEntry)?,
        };
        let tasks = self.driver_tasks(&drive_plan(load, warmup, entry), remote)?;
        let watches = self.watch_tasks(remote);
        let driven = self.agents.drive(tasks, watches.clone()).await;
        // The end of a component explains the drivers' errors.
        self.launcher.check(remote).await.map_err(SwarmDriveError::from)?;
        let mut shared = driven.map_err(SwarmDriveError::from)?;
        if let Some(issue) = shared.issue.take() {
            return Err(SwarmDriveError::Uncertain(issue).into());
        }
        Ok(self.result(shared, &watches, remote))
    }

    /// Stops a stack, and waits until it is gone from its nodes.
    ///
    /// # Errors
    /// Some of its objects may remain.
    pub async fn stop(&mut self, running: RunningStack) -> Result<(), BackendError> {
        let remote = self.running.remove(&running.entry());
        let stopped = running.stop().await.map_err(BackendError::Stop);
        if let Some(remote) = remote {
            self.launcher.stop(remote).await.map_err(SwarmDriveError::from)?;
        }
        stopped
    }

    /// Removes everything of the run from the swarm.
    ///
    /// # Errors
    /// Something may be left.
    pub async fn close(self) -> Result<(), SwarmError> {
        // The agents end once the coordinator has.
        drop(self.agents);
        self.launcher.close().await
    }

    /// A driver for each of the load's nodes.
    fn driver_tasks(&self, whole: &DrivePlan, remote: &RemoteStack) -> Result<Vec<DriverTask>, SwarmDriveError> {
        let has_proxy = remote.components.len() > 1;
        let assigned = assign(&self.placement, has_proxy, &self.nodes);
        let assigned = assigned?;
        let plans = whole.divided(self.placement.spread)?;
        let tasks = plans.into_iter().zip(assigned.load).map(|(plan, Place { node, cores })| {
            let agent = self.agents.position(&self.nodes[node].id).ok_or(SwarmDriveError::NotRunning)?;
            // Also a single driver, so that the components are watched in its window.
            Ok(DriverTask { agent, cores, plan: DrivePlan { awaits_start: true, ..plan } })
        });
        tasks.collect()
    }

    /// The components' containers by node.
    fn watch_tasks(&self, remote: &RemoteStack) -> Vec<WatchTask> {
        let mut tasks: Vec<WatchTask> = Vec::new();
        for component in &remote.components {
            let Some(agent) = self.agents.position(&component.place.node) else { continue };
            let watched =
                WatchedContainer { id: component.task.container.clone(), cores: component.place.cores.clone() };
            match tasks.iter_mut().find(|task| task.agent == agent) {
                Some(task) => task.containers.push(watched),
                None => tasks.push(WatchTask { agent, containers: vec![watched] }),
            }
        }
        tasks
    }

    fn result(&self, shared: SharedDrive, watches: &[WatchTask], remote: &RemoteStack) -> DriveResult {
        let SharedDrive { outcome, drivers, watched, uncertainty, .. } = shared;
        let used = watches.iter().zip(&watched).flat_map(|(task, used)| task.containers.iter().zip(&used.containers));
        let used: BTreeMap<&str, _> = used.map(|(container, used)| (container.id.as_str(), used)).collect();
        let components = remote.components.iter().filter_map(|component| {
            let used = used.get(component.task.container.as_str())?;
            Some(ComponentUse {
                role: component.role,
                used: used.used.clone(),
                at_rest: None,
                peaks: Peaks { peak_rss_bytes: used.peak_memory_bytes, ..Peaks::default() },
                accept_queue_drops: None,
                accepted_connections: None,
                growth: None,
                curve: Vec::new(),
            })
        });
        let shares = drivers.iter().map(|rates| DriverShare {
            node: self.agents.node(rates.agent).map_or_else(String::new, |id| self.node_name(id)),
            offered_per_s: rates.offered_per_s,
            sent_per_s: rates.sent_per_s,
            answered_per_s: rates.answered_per_s,
            lag_p99_us: rates.lag_p99_us,
            busy: rates.busy,
        });
        let shared = SharedWindow { drivers: shares.collect(), uncertainty_us: micros(uncertainty) };
        DriveResult {
            components: components.collect(),
            machine: worst(&watched),
            interference: Interference {
                longest_gap: watched.iter().map(|used| used.longest_gap).max().unwrap_or_default(),
                other_runs: Vec::new(),
            },
            shared: Some(shared),
            outcome,
        }
    }

    fn node_name(&self, id: &str) -> String {
        self.nodes.iter().find(|node| node.id == id).map_or(id, |node| &node.name).to_owned()
    }
}

/// This machine, with the nodes of the stacks that run in a swarm.
///
/// # Errors
/// Such a stack cannot be placed.
pub fn machine(scenario: &Scenario) -> Result<Machine, SwarmSessionError> {
    let machine = Machine::read();
    if !scenario.stacks.iter().any(is_in_swarm) {
        return Ok(machine);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|source| SwarmError::Io { operation: "start a runtime", source })?;
    let plan = runtime.block_on(SwarmPlan::make(&DockerClient::new(scenario.context.clone()), scenario))?;
    let nodes = plan.stacks.iter().map(|(stack, assignment)| {
        let rows = assignment.rows(&plan.nodes).into_iter();
        let places = rows.map(|(role, place)| format!("{} on {place}", role.name())).collect::<Vec<_>>();
        format!("{stack}: {}", places.join("; "))
    });
    Ok(Machine { nodes: nodes.collect(), ..machine })
}

/// Whether a stack runs in a swarm.
pub(super) fn is_in_swarm(stack: &Stack) -> bool {
    stack.backend == Backend::Swarm
}

/// Refuses a load whose driver opens its window by itself: nothing could be read within it on other machines.
fn check_load(load: &Load, spread: NonZeroU32) -> Result<(), SwarmSessionError> {
    let refused = |reason: String| SwarmSessionError::Load { load: load.name.clone(), reason };
    match &load.driver {
        Driver::Goose { .. } | Driver::External(_) => Err(refused(
            "its driver opens its window by itself, so it cannot drive in a swarm; accepted there: `open` and `closed`"
                .to_owned(),
        )),
        Driver::Closed { connections } if *connections < spread => {
            Err(refused(format!("{connections} connections cannot be divided among {spread} drivers")))
        }
        Driver::Closed { .. } | Driver::Open(_) => Ok(()),
    }
}

/// The largest contention on any node.
fn worst(watched: &[WatchedUse]) -> Contention {
    let machines = watched.iter().map(|used| used.machine);
    machines.reduce(Contention::max).unwrap_or_default()
}
