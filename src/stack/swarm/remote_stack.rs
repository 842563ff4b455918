//! Where a stack runs in a swarm.

use std::net::SocketAddr;

use super::forwarder::Forwarder;
use super::task::Task;
use crate::stack::Role;

/// A node and the cores that a component gets there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodePlace {
    /// The node's id.
    pub node: String,
    pub cores: Vec<u16>,
}

/// Where the components of a stack run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StackPlaces {
    /// `None` for a stack without a proxy.
    pub proxy: Option<NodePlace>,
    pub server: NodePlace,
}

/// The part of a running stack that only the swarm backend has.
#[derive(Debug)]
pub struct RemoteStack {
    /// From the client inwards.
    pub components: Vec<RemoteComponent>,
    /// The entry for clients in the run's network.
    pub entry: SocketAddr,
    pub tls_entry: Option<SocketAddr>,
    pub(super) _forwarders: Vec<Forwarder>,
}

/// A component in the swarm.
#[derive(Debug)]
pub struct RemoteComponent {
    pub role: Role,
    pub place: NodePlace,
    pub task: Task,
    pub(super) service: String,
    pub(super) configs: Vec<String>,
}
