//! The app server: gunicorn's twin.
//!
//! A master binds one listening socket and starts workers that inherit it; a worker is one process with one
//! `current_thread` runtime, which accepts connections and calls the app in place, on the core that accepted. What a
//! worker does is in `crates/lab-server`, which hosts any tower service; here are the processes around it.
//!
//! Knows nothing of scenarios, stacks, checks and reports.

pub mod listen;
pub mod master;
pub mod log;

pub use listen::Bind;
