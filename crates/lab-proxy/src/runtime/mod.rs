//! What the proxy runs on: the master, its workers, listening sockets, clocks and logs.

pub mod clock;
pub mod control;
pub mod log;
pub mod master;
pub mod sockets;

pub(crate) mod affinity;
pub(crate) mod generation;
pub(crate) mod roll;
pub(crate) mod worker;
