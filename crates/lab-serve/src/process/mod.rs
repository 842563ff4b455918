//! The server as a process: running in the background, its user and groups, systemd, and the Python interpreter.

pub mod daemon;
pub mod identity;
pub mod interpreter;
pub mod notify;
