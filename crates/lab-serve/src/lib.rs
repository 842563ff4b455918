//! The app server: gunicorn's twin.
//!
//! A master binds the listening sockets and starts workers that inherit them; a worker is one process with one
//! `current_thread` runtime, which accepts connections and calls the app in place, on the core that accepted. What a
//! worker does is in `crates/lab-worker`, which hosts any tower service; here are the processes around it. In reading
//! order: what is set, where it listens, the processes, and what they leave to read.
//!
//! Knows nothing of scenarios, stacks, checks and reports.

pub mod settings;
pub mod listen;

pub mod master;
mod signals;
pub mod crew;
pub mod handover;
pub mod heartbeat;
mod watch;
pub mod native;
mod native_record;

pub mod interpreter;
pub mod identity;
pub mod daemon;
pub mod notify;

pub mod journal;
pub mod access_log;
pub mod log;
pub mod log_sink;
pub mod statsd;
