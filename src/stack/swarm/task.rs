//! The task of a service: where the engine runs it, and how it is doing.

use std::net::IpAddr;
use std::time::Duration;

use serde::Deserialize;

use super::docker_client::{DockerClient, DockerError};

/// How long the engine may take to start a task, including the pull of its image.
const START_DEADLINE: Duration = Duration::from_secs(300);
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
    #[error("the swarm did not start {service} within {} s: {state}", START_DEADLINE.as_secs())]
    NotStarted { service: String, state: String },
    #[error("{service} has ended: {state}")]
    Ended { service: String, state: String },
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
    /// The task, once it runs; or what keeps it from running.
    fn progress(&self) -> Result<Option<Task>, String> {
        let TaskStatus { state, err, container_status } = &self.status;
        let with_reason = if err.is_empty() { state.clone() } else { format!("{state}: {err}") };
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
            "complete" | "shutdown" | "failed" | "rejected" | "remove" | "orphaned" => Err(with_reason),
            _ => Ok(None),
        }
    }
}

/// Waits until `number` tasks of a service run. An error names the `service`.
///
/// # Errors
/// One of them cannot be started, or has ended.
pub async fn wait_until_running(
    docker: &DockerClient,
    name: &str,
    service: &str,
    number: usize,
) -> Result<Vec<Task>, TaskError> {
    let mut state = "it has no task yet".to_owned();
    let wait = async {
        loop {
            let found = descriptions(docker, name).await?;
            let progress: Result<Vec<Option<Task>>, String> = found.iter().map(TaskDescription::progress).collect();
            let progress = progress.map_err(|state| TaskError::Ended { service: service.to_owned(), state })?;
            if let Some(waiting) = found.iter().find(|task| task.status.state != "running") {
                let TaskStatus { state: known, err, .. } = &waiting.status;
                state = if err.is_empty() { known.clone() } else { format!("{known}: {err}") };
            }
            let running: Vec<Task> = progress.into_iter().flatten().collect();
            if running.len() >= number {
                return Ok(running);
            }
            tokio::time::sleep(INTERVAL).await;
        }
    };
    match tokio::time::timeout(START_DEADLINE, wait).await {
        Ok(outcome) => outcome,
        Err(_) => Err(TaskError::NotStarted { service: service.to_owned(), state }),
    }
}

/// Checks that the task of a service still runs.
///
/// # Errors
/// It has ended, or the engine does not say.
pub(super) async fn check(docker: &DockerClient, name: &str, service: &str) -> Result<(), TaskError> {
    let found = descriptions(docker, name).await?;
    let ended = found.iter().find_map(|task| task.progress().err());
    match ended.or_else(|| found.is_empty().then(|| "it was removed".to_owned())) {
        None => Ok(()),
        Some(state) => Err(TaskError::Ended { service: service.to_owned(), state }),
    }
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
        let rejected = described("rejected", "No such image: lab:1").progress();
        assert_eq!(rejected, Err("rejected: No such image: lab:1".to_owned()));
        assert_eq!(described("complete", "").progress(), Err("complete".to_owned()));
    }
}
