//! The nodes of a swarm, as its manager describes them.

use std::collections::BTreeMap;

use testcontainers::bollard::models::{self, NodeSpecAvailabilityEnum, NodeState};

use super::assignment::Node;
use crate::stack::swarm::{DockerClient, DockerError};

/// Billionths of a core, in which the engine counts.
const NANOS_PER_CORE: i64 = 1_000_000_000;

/// The nodes of the swarm that a context's engine manages.
///
/// # Errors
/// It manages none.
pub async fn nodes(docker: &DockerClient) -> Result<Vec<Node>, DockerError> {
    let ids = docker.lines("list the nodes of a swarm", &["node", "ls", "--quiet"]).await?;
    Ok(docker.inspect::<models::Node>("node", &ids).await?.into_iter().map(node).collect())
}

/// The id of the manager's own node.
///
/// # Errors
/// The engine does not respond.
pub async fn manager(docker: &DockerClient) -> Result<String, DockerError> {
    let id = docker.run("describe the swarm", &["info", "--format", "{{.Swarm.NodeID}}"]).await?;
    Ok(id.trim().to_owned())
}

/// A node as the engine describes it. What it leaves out makes the node unavailable.
fn node(node: models::Node) -> Node {
    let spec = node.spec.unwrap_or_default();
    let description = node.description.unwrap_or_default();
    let resources = description.resources.unwrap_or_default();
    let cores = resources.nano_cpus.unwrap_or_default() / NANOS_PER_CORE;
    let state = node.status.and_then(|status| status.state);
    let unavailable = match (state, spec.availability) {
        (Some(NodeState::READY), Some(NodeSpecAvailabilityEnum::ACTIVE)) => None,
        (Some(NodeState::READY), Some(NodeSpecAvailabilityEnum::DRAIN)) => Some("drained".to_owned()),
        (Some(NodeState::READY), Some(NodeSpecAvailabilityEnum::PAUSE)) => Some("paused".to_owned()),
        (Some(NodeState::READY), _) => Some("not active".to_owned()),
        (Some(state), _) => Some(state.to_string()),
        (None, _) => Some("in an unknown state".to_owned()),
    };
    Node {
        id: node.id.unwrap_or_default(),
        name: description.hostname.unwrap_or_default(),
        labels: spec.labels.unwrap_or_default().into_iter().collect::<BTreeMap<_, _>>(),
        cores: u16::try_from(cores).unwrap_or(u16::MAX),
        unavailable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn described(availability: &str, state: &str) -> Node {
        // As Docker 20.10 lists it, without what lab does not read.
        let json = format!(
            r#"{{"ID":"k2","Spec":{{"Labels":{{"role":"load"}},"Role":"worker","Availability":"{availability}"}},
            "Description":{{"Hostname":"two","Resources":{{"NanoCPUs":4000000000,"MemoryBytes":1}}}},
            "Status":{{"State":"{state}","Addr":"10.0.0.2"}}}}"#
        );
        node(serde_json::from_str(&json).unwrap())
    }

    #[test]
    fn nodes_are_read_with_their_availability() {
        let two = described("active", "ready");
        let labels = [("role".to_owned(), "load".to_owned())].into();
        let expected = Node { id: "k2".to_owned(), name: "two".to_owned(), labels, cores: 4, unavailable: None };
        assert_eq!(two, expected);
        let unavailable = |availability, state| described(availability, state).unavailable.unwrap();
        assert_eq!(unavailable("drain", "ready"), "drained");
        assert_eq!(unavailable("pause", "ready"), "paused");
        assert_eq!(unavailable("active", "down"), "down");
    }
}
