//! lab's app server, after gunicorn: an arbiter and its workers.
//!
//! The arbiter binds the listening sockets and starts workers that inherit them. A worker is one process with one
//! `current_thread` runtime, which accepts connections and calls the application on the core that accepted. `lab-worker`
//! holds what happens inside a worker; this crate holds the processes around it. In reading order: [`settings`], then
//! [`listen`], then the [`arbiter`] with its workers, then the [`process`] they run in and their [`logging`].
//! [`differences`] lists where lab departs from gunicorn on purpose.
//!
//! This crate knows nothing of scenarios, stacks, checks and reports.

pub mod settings;
pub mod differences;

mod address;
pub mod listen;
pub mod listener_source;

pub mod arbiter;
pub mod native_worker;

pub mod process;

pub mod logging;
