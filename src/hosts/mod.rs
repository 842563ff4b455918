//! Drivers and stacks on several hosts.
//!
//! ```text
//! lab ──▶ coordinator ──mutual TLS──▶ agent ──pipe──▶ driver        an agent on every node, several drivers
//! ```
//!
//! The engine places and connects; nothing here schedules or stores. An [`agent`] runs drivers on its node and reads its
//! clock, a [`coordinator`] connects to all agents, and [`coordination`] is the order of a drive, without any I/O.

pub mod protocol;
mod message_lines;
pub mod keys;
pub mod network_path;
pub mod assignment;
pub mod swarm;
pub mod coordination;
pub mod coordinator;
pub mod coordinator_process;
pub mod agent;
pub mod agents;
