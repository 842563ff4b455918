//! The coordinator's connections to the agents of a run.
//!
//! A failed drive closes them: agents end their drivers when their connection ends, and no late report can be taken for a
//! part of the next drive.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::task::AbortHandle;
use tokio::time::timeout;

use super::coordination::{Coordination, CoordinationError, DriverTask, SharedDrive, WatchTask};
use super::keys;
use super::message_lines::{MessageReader, send};
use super::network_path::{self, PathMeasurement};
use super::protocol::{AgentReport, AgentRequest, VERSION};
use lab_load::monotonic;
use lab_net::Stream;
use lab_net::tls::ClientConfig;

/// How long a connection may take until the agent has introduced itself.
const CONNECT_DEADLINE: Duration = Duration::from_secs(10);

/// How long the measurement of a path may take, with its messages.
const PATH_DEADLINE: Duration = network_path::LIFETIME.saturating_add(CONNECT_DEADLINE);

/// The longest time without a message to an agent, far below its timeout.
const KEEP_ALIVE: Duration = Duration::from_secs(1);

/// Where an agent listens.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AgentAddress {
    /// The name of its node.
    pub node: String,
    /// `HOST:PORT`; a name is that of its task, which the engine resolves in the run's network.
    pub address: String,
}

/// Leads the agents of a run.
#[derive(Debug)]
pub struct Coordinator {
    run: String,
    agents: Vec<AgentAddress>,
    tls: Arc<ClientConfig>,
    /// `None` after a drive that has failed.
    connections: Option<Connections>,
}

/// Why a drive has no result.
#[derive(Debug, thiserror::Error)]
pub enum CoordinatorError {
    #[error("cannot reach the agent on {node} at {address}")]
    Connect { node: String, address: String, source: io::Error },
    #[error("the agent on {node} speaks version {found} of lab's protocol, not {VERSION}: its image is stale")]
    Version { node: String, found: u32 },
    #[error("the agent on {node} did not introduce itself")]
    NoHello { node: String },
    #[error("the agent at {address} is on {found}, but the engine has it on {node}")]
    WrongNode { node: String, found: String, address: String },
    #[error("there is no agent number {0}")]
    NoAgent(usize),
    #[error("the path from {from} to {to} cannot be measured: {reason}")]
    Path { from: String, to: String, reason: String },
    #[error(transparent)]
    Coordination(#[from] CoordinationError),
}

/// A report of an agent, or the end of its connection, with the instant at which it arrived.
type Arrival = (Duration, usize, Result<AgentReport, String>);

#[derive(Debug)]
struct Connections {
    requests: Vec<UnboundedSender<AgentRequest>>,
    arrivals: UnboundedReceiver<Arrival>,
    tasks: Vec<AbortHandle>,
}

impl Coordinator {
    /// Connects to all agents.
    ///
    /// # Errors
    /// One of them cannot be reached, is none of this run, or is of another version.
    pub async fn connect(
        run: String,
        agents: Vec<AgentAddress>,
        tls: Arc<ClientConfig>,
    ) -> Result<Coordinator, CoordinatorError> {
        let mut coordinator = Coordinator { run, agents, tls, connections: None };
        coordinator.connections = Some(coordinator.open().await?);
        Ok(coordinator)
    }

    /// Carries out a drive. After a failed one, reconnects first.
    ///
    /// # Errors
    /// There is no outcome.
    pub async fn drive(
        &mut self,
        tasks: Vec<DriverTask>,
        watched: Vec<WatchTask>,
    ) -> Result<SharedDrive, CoordinatorError> {
        let mut connections = match self.connections.take() {
            Some(connections) => connections,
            None => self.open().await?,
        };
        let names = self.agents.iter().map(|agent| agent.node.clone()).collect();
        let coordination = Coordination::new(names, tasks, watched, monotonic::now())?;
        let shared = connections.drive(coordination).await?;
        self.connections = Some(connections);
        Ok(shared)
    }

    /// Measures the path between two agents, given their positions. After a failed drive, reconnects first.
    ///
    /// # Errors
    /// An agent cannot be reached, or does not reach the other.
    pub async fn measure_path(&mut self, from: usize, to: usize) -> Result<PathMeasurement, CoordinatorError> {
        let agent = |position: usize| self.agents.get(position).ok_or(CoordinatorError::NoAgent(position));
        let (prober, responder) = (agent(from)?.clone(), agent(to)?.clone());
        let failed =
            |reason: String| CoordinatorError::Path { from: prober.node.clone(), to: responder.node.clone(), reason };
        let resolved = tokio::net::lookup_host(&responder.address).await.map_err(|error| failed(error.to_string()))?;
        let host = resolved.map(|address| address.ip()).next();
        let host = host.ok_or_else(|| failed(format!("{} has no address", responder.address)))?;
        let mut connections = match self.connections.take() {
            Some(connections) => connections,
            None => self.open().await?,
        };
        let measured = timeout(PATH_DEADLINE, connections.measure_path(from, (to, host))).await;
        let measured = measured.unwrap_or_else(|_| Err(format!("no result within {} s", PATH_DEADLINE.as_secs())));
        let measurement = measured.map_err(failed)?;
        self.connections = Some(connections);
        Ok(measurement)
    }

    async fn open(&self) -> Result<Connections, CoordinatorError> {
        let (arrived, arrivals) = mpsc::unbounded_channel();
        let mut connections = Connections { requests: Vec::new(), arrivals, tasks: Vec::new() };
        for (number, agent) in self.agents.iter().enumerate() {
            let (reader, writer) = self.introduce(agent).await?;
            let (requests, queue) = mpsc::unbounded_channel();
            let writing = tokio::spawn(write(writer, queue));
            let reading = tokio::spawn(read(reader, number, arrived.clone()));
            connections.requests.push(requests);
            connections.tasks.extend([writing.abort_handle(), reading.abort_handle()]);
        }
        Ok(connections)
    }

    /// Connects to an agent and exchanges greetings.
    async fn introduce(
        &self,
        agent: &AgentAddress,
    ) -> Result<(MessageReader<lab_net::OwnedReadHalf>, lab_net::OwnedWriteHalf), CoordinatorError> {
        let AgentAddress { node, address } = agent.clone();
        let failed = |source| CoordinatorError::Connect { node: node.clone(), address: address.clone(), source };
        let greeting = async {
            let resolved = tokio::net::lookup_host(&address).await?.next();
            let resolved = resolved.ok_or_else(|| io::Error::other("it has no address"))?;
            let stream = Stream::connect_tcp(resolved).await?;
            let stream = stream.connect_tls(Arc::clone(&self.tls), keys::agent_name()).await?;
            let (reader, mut writer) = stream.into_split();
            let mut reader = MessageReader::new(reader);
            send(&mut writer, &AgentRequest::Hello { version: VERSION, run: self.run.clone() }).await?;
            let hello = reader.next::<AgentReport>().await?;
            Ok::<_, io::Error>((hello, reader, writer))
        };
        let (hello, reader, writer) = match timeout(CONNECT_DEADLINE, greeting).await {
            Ok(greeting) => greeting.map_err(failed)?,
            Err(_) => return Err(failed(io::ErrorKind::TimedOut.into())),
        };
        match hello {
            Some(AgentReport::Hello { version, .. }) if version != VERSION => {
                Err(CoordinatorError::Version { node, found: version })
            }
            Some(AgentReport::Hello { node: found, .. }) if found != node => {
                Err(CoordinatorError::WrongNode { node, found, address })
            }
            Some(AgentReport::Hello { .. }) => Ok((reader, writer)),
            _ => Err(CoordinatorError::NoHello { node }),
        }
    }
}

impl Connections {
    async fn measure_path(&mut self, from: usize, (to, host): (usize, IpAddr)) -> Result<PathMeasurement, String> {
        // The reading side reports a broken connection.
        let _ = self.requests[to].send(AgentRequest::RespondToProber);
        let ports = match self.report_of(to).await? {
            AgentReport::Responding { ports } => ports,
            report => return Err(path_failure(report)),
        };
        let _ = self.requests[from].send(AgentRequest::MeasurePath { host, ports });
        match self.report_of(from).await? {
            AgentReport::PathMeasured { measurement } => Ok(measurement),
            report => Err(path_failure(report)),
        }
    }

    /// The next report of an agent, while no other has one to make.
    async fn report_of(&mut self, agent: usize) -> Result<AgentReport, String> {
        match self.arrivals.recv().await {
            Some((_, from, Ok(report))) if from == agent => Ok(report),
            Some((_, _, Ok(_))) => Err("an agent reported out of turn".to_owned()),
            Some((_, _, Err(reason))) => Err(format!("the connection to an agent was lost: {reason}")),
            None => Err("the connections to the agents were lost".to_owned()),
        }
    }

    async fn drive(&mut self, mut coordination: Coordination) -> Result<SharedDrive, CoordinationError> {
        loop {
            while let Some((agent, request)) = coordination.next_request() {
                // The reading side reports a broken connection.
                let _ = self.requests[agent].send(request);
            }
            if let Some(result) = coordination.take_result() {
                return result;
            }
            let due = coordination.next_due().map(monotonic::instant_of);
            let wait = async {
                match due {
                    Some(due) => tokio::time::sleep_until(due.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                Some((at, agent, arrival)) = self.arrivals.recv() => match arrival {
                    Ok(report) => coordination.on_report(at, agent, report),
                    Err(reason) => coordination.on_lost(agent, reason),
                },
                () = wait => coordination.on_time(monotonic::now()),
            }
        }
    }
}

impl Drop for Connections {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

fn path_failure(report: AgentReport) -> String {
    match report {
        AgentReport::PathFailed { message } => message,
        _ => "an agent reported out of turn".to_owned(),
    }
}

/// Sends an agent its requests, and keeps it alive between drives.
async fn write(mut writer: lab_net::OwnedWriteHalf, mut requests: UnboundedReceiver<AgentRequest>) {
    loop {
        let request = match timeout(KEEP_ALIVE, requests.recv()).await {
            Ok(Some(request)) => request,
            Ok(None) => return,
            Err(_) => AgentRequest::KeepAlive,
        };
        // The reading side reports a broken connection.
        if send(&mut writer, &request).await.is_err() {
            return;
        }
    }
}

/// Passes an agent's reports on until its connection ends.
async fn read(mut reader: MessageReader<lab_net::OwnedReadHalf>, agent: usize, arrivals: UnboundedSender<Arrival>) {
    loop {
        let report = match reader.next::<AgentReport>().await {
            Ok(Some(report)) => Ok(report),
            Ok(None) => Err("it was closed".to_owned()),
            // An agent that is killed says no goodbye.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err("it broke off".to_owned()),
            Err(error) => Err(error.to_string()),
        };
        let is_last = report.is_err();
        // Nobody waits for it any more once the drive has ended.
        if arrivals.send((monotonic::now(), agent, report)).is_err() || is_last {
            return;
        }
    }
}
