//! The process: the master, the generations of workers, listeners and signals.
//!
//! This room starts everything and is used by nothing. It must not know requests: a worker hands accepted connections
//! to `downstream` and does no more for them.

pub mod control;
pub mod error;
pub mod master;
pub mod sockets;

pub(crate) mod affinity;
pub(crate) mod generation;
pub(crate) mod signals;
pub(crate) mod worker;
