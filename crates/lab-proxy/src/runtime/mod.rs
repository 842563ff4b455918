//! The process: the master, the generations of workers, listeners and signals.
//!
//! No other module uses this one. It knows nothing of requests: a worker passes accepted connections to `downstream`.

pub mod control;
pub mod error;
pub mod master;
pub mod sockets;
pub mod temp_folders;

pub(crate) mod affinity;
pub(crate) mod generation;
pub(crate) mod signals;
pub(crate) mod worker;
