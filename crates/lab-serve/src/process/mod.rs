//! What the operating system knows of the server: its place in the background, its user, systemd, and the Python it runs.

pub mod daemon;
pub mod identity;
pub mod interpreter;
pub mod notify;
