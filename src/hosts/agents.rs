//! The agents of a run in a swarm and their coordinator: starts them, and leads drives.

use std::collections::BTreeSet;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde::Deserialize;
use tokio::process::{Child, ChildStdin, ChildStdout};

use super::assignment::Node;
use super::coordination::{DriverTask, SharedDrive, WatchTask};
use super::coordinator::AgentAddress;
use super::coordinator_process::{ConnectedRequest, CoordinatorReport, CoordinatorRequest};
use super::keys::{KeysError, RoleKeys, RunKeys};
use super::message_lines::{MessageReader, send};
use super::network_path::PathMeasurement;
use crate::stack::container::lab_image::LAB;
use crate::stack::swarm::{DockerError, RunSwarm, TaskError, wait_until_running};

/// The port of agents, in the run's network only.
const PORT: u16 = 7000;
/// How long the agents may take to respond once their tasks run, and the time between two attempts.
const CONNECT_DEADLINE: Duration = Duration::from_secs(30);
const CONNECT_INTERVAL: Duration = Duration::from_millis(300);
/// How long the engine may take to attach the coordinator's container to the network.
const ADDRESS_DEADLINE: Duration = Duration::from_secs(30);

/// The agents of a run, and the coordinator that leads them.
#[derive(Debug)]
pub struct Agents {
    /// The ids of their nodes, in the order of their positions.
    nodes: Vec<String>,
    /// The ids of all nodes with their names, for messages.
    names: Vec<(String, String)>,
    coordinator: CoordinatorClient,
    /// The coordinator's container and its address in the run's network.
    container: (String, IpAddr),
}

/// Why agents cannot be started or led.
#[derive(Debug, thiserror::Error)]
pub enum AgentsError {
    #[error(transparent)]
    Docker(#[from] DockerError),
    #[error(transparent)]
    Task(#[from] TaskError),
    #[error(transparent)]
    Keys(#[from] KeysError),
    #[error("cannot write the keys of the run")]
    WriteKeys(#[source] io::Error),
    #[error("the coordinator has no address in the run's network")]
    NoAddress,
    #[error("the connection to the coordinator on the manager is broken")]
    Coordinator(#[source] io::Error),
    #[error("the coordinator on the manager has ended; {} may say why", log.display())]
    Ended { log: PathBuf },
    #[error("{0}")]
    Failed(String),
}

/// The attached container of the coordinator. Its input is its lifeline.
#[derive(Debug)]
struct CoordinatorClient {
    container: String,
    /// Where it writes its errors.
    log: PathBuf,
    input: ChildStdin,
    output: MessageReader<ChildStdout>,
    docker: Child,
}

/// A container as `docker inspect` describes it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ContainerDescription {
    network_settings: NetworkSettings,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct NetworkSettings {
    #[serde(default)]
    networks: std::collections::BTreeMap<String, ContainerNetwork>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ContainerNetwork {
    #[serde(rename = "IPAddress", default)]
    address: String,
}

impl Agents {
    /// Starts an agent from `image` on each of `positions` among `nodes`, and the coordinator on the manager, with keys that
    /// are made for the run. `folder` has the coordinator's keys for as long as it takes to copy them.
    ///
    /// # Errors
    /// A node cannot start an agent, or the coordinator does not reach one.
    pub async fn start(
        swarm: &RunSwarm,
        image: &str,
        (nodes, positions): (&[Node], &BTreeSet<usize>),
        folder: &Path,
        is_pulled: bool,
    ) -> Result<Agents, AgentsError> {
        let RunKeys { agent, coordinator } = RunKeys::generate()?;
        let service = swarm.name("agents");
        create_service(swarm, &service, image, (nodes, positions), is_pulled, &create_secrets(swarm, &agent).await?)
            .await?;
        let mut coordinator = CoordinatorClient::start(swarm, image, &coordinator, folder).await?;
        let tasks = wait_until_running(&swarm.docker, &service, "the agent", positions.len()).await?;
        let mut addresses = Vec::new();
        for position in positions {
            let node = nodes[*position].id.clone();
            let task = tasks.iter().find(|task| task.node == node);
            let task =
                task.ok_or_else(|| AgentsError::Failed(format!("no agent runs on {}", nodes[*position].name)))?;
            addresses.push(AgentAddress { node, address: format!("{}:{PORT}", task.address) });
        }
        let address = coordinator_address(swarm, &coordinator.container).await?;
        let ids = addresses.iter().map(|agent| agent.node.clone()).collect();
        let names = nodes.iter().map(|node| (node.id.clone(), node.name.clone())).collect();
        coordinator.connect(&swarm.run, &addresses).await?;
        let container = (coordinator.container.clone(), address);
        Ok(Agents { nodes: ids, names, coordinator, container })
    }

    /// The coordinator's container, and its address in the run's network.
    #[must_use]
    pub fn coordinator(&self) -> (String, IpAddr) {
        self.container.clone()
    }

    /// The position of the agent on a node, given its id.
    #[must_use]
    pub fn position(&self, node: &str) -> Option<usize> {
        self.nodes.iter().position(|id| id == node)
    }

    /// The id of the node at a position.
    #[must_use]
    pub fn node(&self, position: usize) -> Option<&str> {
        self.nodes.get(position).map(String::as_str)
    }

    /// Checks that the coordinator has not ended, as it does when the engine of the manager is stopped.
    ///
    /// # Errors
    /// [`AgentsError::Ended`].
    pub fn check_coordinator(&mut self) -> Result<(), AgentsError> {
        match self.coordinator.docker.try_wait() {
            Ok(None) => Ok(()),
            _ => Err(AgentsError::Ended { log: self.coordinator.log.clone() }),
        }
    }

    /// Carries out a drive.
    ///
    /// # Errors
    /// There is no outcome. The next drive may have one.
    pub async fn drive(&mut self, tasks: Vec<DriverTask>, watched: Vec<WatchTask>) -> Result<SharedDrive, AgentsError> {
        match self.request(ConnectedRequest::Drive { tasks, watched }).await? {
            CoordinatorReport::Driven { shared } => Ok(*shared),
            report => Err(self.failure(report)),
        }
    }

    /// Measures the path between the nodes at two positions.
    ///
    /// # Errors
    /// An agent does not reach the other.
    pub async fn measure_path(&mut self, from: usize, to: usize) -> Result<PathMeasurement, AgentsError> {
        match self.request(ConnectedRequest::MeasurePath { from, to }).await? {
            CoordinatorReport::PathMeasured { measurement } => Ok(measurement),
            report => Err(self.failure(report)),
        }
    }

    async fn request(&mut self, request: ConnectedRequest) -> Result<CoordinatorReport, AgentsError> {
        self.coordinator.request(&CoordinatorRequest::Connected(request)).await
    }

    /// Why there is another report than the one that was requested.
    fn failure(&self, report: CoordinatorReport) -> AgentsError {
        AgentsError::Failed(match report {
            // Agents are known by the ids of their nodes, because names need not differ. People know the names.
            CoordinatorReport::Failed { message } => {
                self.names.iter().fold(message, |message, (id, name)| message.replace(id, name))
            }
            _ => "the coordinator responded to another request".to_owned(),
        })
    }
}

impl CoordinatorClient {
    async fn start(
        swarm: &RunSwarm,
        image: &str,
        keys: &RoleKeys,
        folder: &Path,
    ) -> Result<CoordinatorClient, AgentsError> {
        let container = swarm.name("coordinator");
        let mut create = vec!["create", "--interactive", "--name", &container, "--network", &swarm.network];
        let labels = swarm.label_arguments();
        create.extend(labels.iter().map(String::as_str));
        create.extend([image, LAB, "coordinate", "--keys", "/keys"]);
        swarm.docker.run("create the coordinator's container", &create).await?;
        let keys_folder = folder.join("coordinator-keys");
        std::fs::create_dir(&keys_folder).map_err(AgentsError::WriteKeys)?;
        let written = keys.write_to(&keys_folder);
        let copy = ["cp".to_owned(), keys_folder.display().to_string(), format!("{container}:/keys")];
        let copied = match written {
            Ok(()) => swarm.docker.run("copy keys into a container", &copy).await.map_err(AgentsError::from),
            Err(error) => Err(AgentsError::WriteKeys(error)),
        };
        std::fs::remove_dir_all(&keys_folder).map_err(AgentsError::WriteKeys)?;
        copied?;
        let mut command = swarm.docker.command(&["start", "--attach", "--interactive", &container]);
        let log = folder.join("coordinator.log");
        let log_file = std::fs::File::create(&log).map_err(AgentsError::Coordinator)?;
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log_file);
        let mut docker = command.spawn().map_err(AgentsError::Coordinator)?;
        let (input, output) = (docker.stdin.take(), docker.stdout.take());
        let (Some(input), Some(output)) = (input, output) else { return Err(AgentsError::Ended { log }) };
        Ok(CoordinatorClient { container, log, input, output: MessageReader::new(output), docker })
    }

    /// Connects to the agents, which may still be starting.
    async fn connect(&mut self, run: &str, agents: &[AgentAddress]) -> Result<(), AgentsError> {
        let until = tokio::time::Instant::now() + CONNECT_DEADLINE;
        loop {
            let request = CoordinatorRequest::Connect { run: run.to_owned(), agents: agents.to_vec() };
            match self.request(&request).await? {
                CoordinatorReport::Connected => return Ok(()),
                CoordinatorReport::Failed { message } if tokio::time::Instant::now() > until => {
                    return Err(AgentsError::Failed(message));
                }
                _ => tokio::time::sleep(CONNECT_INTERVAL).await,
            }
        }
    }

    async fn request(&mut self, request: &CoordinatorRequest) -> Result<CoordinatorReport, AgentsError> {
        send(&mut self.input, request).await.map_err(AgentsError::Coordinator)?;
        let report = self.output.next().await.map_err(AgentsError::Coordinator)?;
        report.ok_or_else(|| AgentsError::Ended { log: self.log.clone() })
    }
}

/// Hands the agents' keys to the swarm. Returns the secrets, each with the name of its file.
async fn create_secrets(swarm: &RunSwarm, keys: &RoleKeys) -> Result<Vec<(String, &'static str)>, DockerError> {
    let labels = swarm.label_arguments();
    let mut secrets = Vec::new();
    for (file, text) in keys.files() {
        let name = swarm.name(&format!("agent-{}", file.trim_end_matches(".pem")));
        let mut create = vec!["secret", "create"];
        create.extend(labels.iter().map(String::as_str));
        create.extend([name.as_str(), "-"]);
        swarm.docker.run_with_input("create a secret", &create, text.as_bytes()).await?;
        secrets.push((name, file));
    }
    Ok(secrets)
}

/// Creates the global service that runs an agent on every node that takes part. A job would do, but engines keep the ended
/// containers of jobs whose service is removed (seen with Docker 20.10).
async fn create_service(
    swarm: &RunSwarm,
    service: &str,
    image: &str,
    (nodes, positions): (&[Node], &BTreeSet<usize>),
    is_pulled: bool,
    secrets: &[(String, &'static str)],
) -> Result<(), DockerError> {
    let mut command: Vec<String> =
        ["service", "create", "--detach", "--quiet", "--mode", "global"].map(str::to_owned).into();
    let mut option = |name: &str, value: String| command.extend([name.to_owned(), value]);
    option("--name", service.to_owned());
    option("--network", swarm.network.clone());
    option("--restart-condition", "none".to_owned());
    // The agents end as soon as the service is removed.
    option("--stop-grace-period", "2s".to_owned());
    // Without it, the manager would give the service a virtual address, which needs IPVS.
    option("--endpoint-mode", "dnsrr".to_owned());
    for (position, node) in nodes.iter().enumerate() {
        if !positions.contains(&position) {
            option("--constraint", format!("node.id!={}", node.id));
        }
    }
    for (secret, file) in secrets {
        option("--secret", format!("source={secret},target={file}"));
    }
    // A swarm has no cores for tasks, so the agent writes them into the control groups of its node.
    option("--mount", "type=bind,source=/sys/fs/cgroup,destination=/host/cgroup".to_owned());
    for folder in ["/work", "/tmp"] {
        option("--mount", format!("type=tmpfs,destination={folder}"));
    }
    option("--env", "LAB_NODE={{.Node.ID}}".to_owned());
    command.extend(swarm.label_arguments());
    if !is_pulled {
        command.push("--no-resolve-image".to_owned());
    }
    let listen = format!("0.0.0.0:{PORT}");
    let agent = [image, LAB, "agent", "--listen", &listen, "--keys", "/run/secrets", "--folder", "/work"];
    command.extend(agent.map(str::to_owned));
    swarm.docker.run("create the service of the agents", &command).await.map(drop)
}

/// The address of the coordinator's container, once the engine has attached it.
async fn coordinator_address(swarm: &RunSwarm, container: &str) -> Result<IpAddr, AgentsError> {
    let found = async {
        loop {
            let described: Vec<ContainerDescription> = swarm.docker.inspect("container", &[container]).await?;
            let networks =
                described.iter().flat_map(|container| container.network_settings.networks.get(&swarm.network));
            if let Some(address) = networks.filter_map(|network| network.address.parse().ok()).next() {
                return Ok(address);
            }
            tokio::time::sleep(CONNECT_INTERVAL).await;
        }
    };
    tokio::time::timeout(ADDRESS_DEADLINE, found).await.unwrap_or(Err(AgentsError::NoAddress))
}
