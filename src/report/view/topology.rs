//! The path of a request through each stack: client, proxy, server, application.

use serde::Serialize;

use super::checks::{CheckStatus, first_line};
use crate::record::{Record, StackRecord};
use crate::stack::Role;

/// A stack as a path.
#[derive(Debug, Serialize)]
pub struct StackPath {
    pub stack: String,
    pub is_reference: bool,
    /// The outcome of its checks in words.
    pub status: String,
    pub tone: StatusTone,
    /// From the client inwards; empty if the stack could not run.
    pub nodes: Vec<PathNode>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum StatusTone {
    Good,
    Bad,
    Neutral,
}

/// A part of a stack.
#[derive(Debug, Serialize)]
pub struct PathNode {
    /// `client`, `proxy`, `server` or `app`.
    pub role: String,
    /// The kind with its version, or the application.
    pub name: String,
    /// Workers, threads, the image of a container.
    pub notes: Vec<String>,
    /// The protocol or interface by which the request arrives; `None` for the client, and where the record does not say.
    pub protocol: Option<String>,
}

/// The paths of all stacks, in the scenario's order.
#[must_use]
pub fn paths(record: &Record) -> Vec<StackPath> {
    record.stacks.iter().map(StackPath::new).collect()
}

impl StackPath {
    fn new(stack: &StackRecord) -> StackPath {
        let topology = stack.topology.as_ref();
        let has_proxy = stack.components.iter().any(|component| component.role == Role::Proxy);
        let mut nodes = vec![PathNode::new("client", "lab")];
        for component in &stack.components {
            let mut node = PathNode::new(&component.role.to_string(), &component.version);
            let is_inner = component.role == Role::Server && has_proxy;
            let spoken = topology.map_or("http", |topology| topology.protocol.as_str());
            node.protocol = Some(if is_inner { spoken } else { "http" }.to_owned());
            if let (Role::Server, Some(topology)) = (component.role, topology) {
                node.notes.extend(topology.workers.clone());
                node.notes.extend(topology.threads.map(|threads| format!("{threads} threads each")));
            }
            if topology.is_some_and(|topology| topology.backend == "container") {
                let image = component.image.as_ref().map_or("lab's own image", |image| image.name.as_str());
                node.notes.push(format!("container of {image}"));
            }
            if topology.is_some_and(|topology| topology.backend == "swarm") {
                node.notes.push("service of a swarm".to_owned());
            }
            nodes.push(node);
        }
        if stack.components.is_empty() {
            nodes.clear();
        } else if let Some(topology) = topology {
            let mut node = PathNode::new("app", &topology.app);
            node.protocol = Some(topology.interface.clone());
            nodes.push(node);
        }
        let (status, tone) = status(stack);
        StackPath { stack: stack.name.clone(), is_reference: stack.reference, status, tone, nodes }
    }
}

impl PathNode {
    fn new(role: &str, name: &str) -> PathNode {
        PathNode { role: role.to_owned(), name: name.to_owned(), notes: Vec::new(), protocol: None }
    }
}

fn status(stack: &StackRecord) -> (String, StatusTone) {
    match CheckStatus::new(stack) {
        CheckStatus::Unavailable { reason, is_optional } => {
            let tone = if is_optional { StatusTone::Neutral } else { StatusTone::Bad };
            (format!("unavailable: {reason}"), tone)
        }
        CheckStatus::CouldNotRun => {
            let error = stack.error.as_deref().map(first_line).unwrap_or_default();
            (format!("could not run: {error}"), StatusTone::Bad)
        }
        CheckStatus::NoChecks => ("no checks".to_owned(), StatusTone::Neutral),
        CheckStatus::Passed { checks } => (format!("{checks} of {checks} checks passed"), StatusTone::Good),
        CheckStatus::Failed { failed, checks } => (format!("{failed} of {checks} checks failed"), StatusTone::Bad),
    }
}
