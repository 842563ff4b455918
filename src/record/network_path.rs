//! The network between two nodes of a swarm, as it was before the first round.

use serde::{Deserialize, Serialize};

/// A path between two nodes that talk to each other, through the overlay network of the run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NetworkPath {
    /// The node of the client: a driver, or a proxy.
    pub from: String,
    /// The node of the server.
    pub to: String,
    /// The shortest round trip of one byte over TCP.
    pub shortest_trip_us: f64,
    /// The median of 200 of them.
    pub median_trip_us: f64,
    /// The throughput of one TCP connection, in bytes per second.
    pub bytes_per_s: f64,
    /// The share of UDP datagrams without a reply, 0 to 1.
    pub loss: f64,
}
