//! The app server: gunicorn's twin.
//!
//! A master binds one listening socket and starts workers that inherit it; a worker is one process with one
//! `current_thread` runtime, which accepts connections and calls the app in place, on the core that accepted. In
//! reading order: how a request becomes a call of the app and a response becomes bytes, then the processes around it.
//!
//! Hosts any tower service; knows nothing of scenarios, stacks, checks and reports.

pub mod settings;
pub mod connection;
pub mod request_body;

pub mod listen;
pub mod worker;
pub mod master;
pub mod log;

mod request;
mod response;
mod wait;
mod wire;

pub use listen::Bind;
pub use request_body::{BodyError, RequestBody};
pub use settings::Settings;
