//! The task of a service: where the engine runs it, and how it is doing.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use serde::Deserialize;
use tokio::time::Instant;

use super::docker_client::{DockerClient, DockerError};

/// How long the engine may take to start a task, including the pull of its image.
const START_DEADLINE: Duration = Duration::from_secs(300);
/// How long it may have no node for a task. A manager that has just started does not know its nodes yet.
const PLACEMENT_DEADLINE: Duration = Duration::from_secs(20);
const INTERVAL: Duration = Duration::from_millis(100);

/// A task that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    pub id: String,
    /// The id of its node.
    pub node: String,
    /// The id of its container.
    pub container: String,
    /// Its address in the run's network.
    pub address: IpAddr,
}

/// Why a task does not run.
#[derive(Debug, thiserror::Error)]
pub enum TaskError {
    #[error(transparent)]
    Docker(#[from] DockerError),
    #[error("the swarm did not start {task} within {} s: {state}", .waited.as_secs())]
    NotStarted { task: String, state: String, waited: Duration },
    #[error("{task} has ended: {state}")]
    Ended {
        /// With its node, if it had one.
        task: String,
        state: String,
    },
}

/// A task as `docker inspect` describes it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct TaskDescription {
    #[serde(rename = "ID")]
    id: String,
    #[serde(rename = "NodeID", default)]
    node: String,
    status: TaskStatus,
    #[serde(default)]
    networks_attachments: Vec<Attachment>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct TaskStatus {
    state: String,
    #[serde(default)]
    err: String,
    #[serde(default)]
    container_status: ContainerStatus,
}

#[derive(Debug, Default, Deserialize)]
struct ContainerStatus {
    #[serde(rename = "ContainerID", default)]
    container: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Attachment {
    #[serde(default)]
    addresses: Vec<String>,
}

impl TaskDescription {
    /// Its state, with the engine's reason if there is one.
    fn state(&self) -> String {
        let TaskStatus { state, err, .. } = &self.status;
        match err.as_str() {
            "" => state.clone(),
            // The engine of the node keeps its own reason to itself.
            missing if missing.starts_with("No such image") => format!(
                "{state}: {missing}; the node cannot pull it, or its disk is full, which the log of its engine tells"
            ),
            reason => format!("{state}: {reason}"),
        }
    }

    /// Whether the swarm has no node for it.
    fn is_unplaced(&self) -> bool {
        self.status.state == "pending" && !self.status.err.is_empty()
    }

    /// The task, once it runs; or what keeps it from running.
    fn progress(&self) -> Result<Option<Task>, String> {
        let TaskStatus { state, container_status, .. } = &self.status;
        match state.as_str() {
            "running" => {
                let addresses = self.networks_attachments.iter().flat_map(|network| &network.addresses);
                let address = addresses.filter_map(|address| address.split('/').next()?.parse().ok()).next();
                let task = |address| Task {
                    id: self.id.clone(),
                    node: self.node.clone(),
                    container: container_status.container.clone(),
                    address,
                };
                Ok(address.map(task))
            }
            "complete" | "shutdown" | "failed" | "rejected" | "remove" | "orphaned" => Err(self.state()),
            _ => Ok(None),
        }
    }
}

/// Waits until `number` tasks of the service `name` run. An error calls each of them `title`.
///
/// # Errors
/// One of them cannot be started, or has ended.
pub async fn wait_until_running(
    docker: &DockerClient,
    name: &str,
    title: &str,
    number: usize,
) -> Result<Vec<Task>, TaskError> {
    let started = Instant::now();
    let mut placed = started;
    let mut state = "it has no task yet".to_owned();
    loop {
        let found = descriptions(docker, name).await?;
        check_all(docker, &found, title).await?;
        let running: Vec<Task> = found.iter().filter_map(|task| task.progress().ok().flatten()).collect();
        if running.len() >= number {
            return Ok(running);
        }
        if let Some(waiting) = found.iter().find(|task| task.status.state != "running") {
            state = waiting.state();
        }
        let now = Instant::now();
        if !found.iter().any(TaskDescription::is_unplaced) {
            placed = now;
        }
        if now > started + START_DEADLINE || now > placed + PLACEMENT_DEADLINE {
            return Err(TaskError::NotStarted { task: title.to_owned(), state, waited: now - started });
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

/// Checks that the task of the service `name` still runs. An error calls it `title`.
///
/// # Errors
/// It has ended, or the engine does not say.
pub(super) async fn check(docker: &DockerClient, name: &str, title: &str) -> Result<(), TaskError> {
    let found = descriptions(docker, name).await?;
    match found.is_empty() {
        true => Err(TaskError::Ended { task: title.to_owned(), state: "it was removed".to_owned() }),
        false => check_all(docker, &found, title).await,
    }
}

/// Those of `tasks` that have not ended, as far as the manager can learn: not those on nodes that it has lost.
pub(super) async fn remaining(docker: &DockerClient, tasks: &BTreeSet<String>) -> BTreeSet<String> {
    let mut found = Vec::new();
    for task in tasks {
        // The manager forgets the task of a removed service once its container has ended.
        found.extend(docker.inspect::<TaskDescription>("task", &[task]).await.unwrap_or_default());
    }
    if !found.is_empty() {
        let nodes = ["node", "ls", "--format", "{{.Status}} {{.ID}}"];
        let nodes = docker.lines("list the nodes of a swarm", &nodes).await.unwrap_or_default();
        let connected: Vec<&str> = nodes.iter().filter_map(|node| node.strip_prefix("Ready ")).collect();
        found.retain(|task| connected.contains(&task.node.as_str()));
    }
    found.into_iter().map(|task| task.id).collect()
}

async fn check_all(docker: &DockerClient, found: &[TaskDescription], title: &str) -> Result<(), TaskError> {
    let ended = found.iter().find_map(|task| Some((task, task.progress().err()?)));
    let Some((task, state)) = ended else { return Ok(()) };
    let node = ["node", "inspect", "--format", "{{.Description.Hostname}}", &task.node];
    // A node that was removed has no name any more.
    let node = docker.run("describe a node", &node).await.unwrap_or_else(|_| task.node.clone());
    let node = node.trim();
    let task = if node.is_empty() { title.to_owned() } else { format!("{title} on {node}") };
    Err(TaskError::Ended { task, state })
}

async fn descriptions(docker: &DockerClient, name: &str) -> Result<Vec<TaskDescription>, DockerError> {
    let tasks = docker.lines("list the tasks of a service", &["service", "ps", "--no-trunc", "--quiet", name]).await?;
    docker.inspect("task", &tasks).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn described(state: &str, err: &str) -> TaskDescription {
        // What `docker inspect` of Docker 20.10 prints for a task, without what lab does not read.
        let json = format!(
            r#"{{"ID":"t1","NodeID":"n1","Status":{{"State":"{state}","Err":"{err}",
            "ContainerStatus":{{"ContainerID":"c1","PID":7}}}},
            "NetworksAttachments":[{{"Network":{{"ID":"x"}},"Addresses":["10.0.1.5/24"]}}]}}"#
        );
        serde_json::from_str(&json).unwrap()
    }

    #[test]
    fn running_task_has_a_place() {
        let (id, node, container) = ("t1".to_owned(), "n1".to_owned(), "c1".to_owned());
        let task = Task { id, node, container, address: "10.0.1.5".parse().unwrap() };
        assert_eq!(described("running", "").progress(), Ok(Some(task)));
        assert_eq!(described("preparing", "").progress(), Ok(None));
    }

    #[test]
    fn ended_task_says_why() {
        let rejected = described("rejected", "No such image: lab:1").progress().unwrap_err();
        let hint = "; the node cannot pull it, or its disk is full, which the log of its engine tells";
        assert_eq!(rejected, format!("rejected: No such image: lab:1{hint}"));
        assert_eq!(described("failed", "exit 1").progress(), Err("failed: exit 1".to_owned()));
        assert_eq!(described("complete", "").progress(), Err("complete".to_owned()));
    }
}
