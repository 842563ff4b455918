//! One worker process of lab's app server, whichever kind of application it hosts: it accepts connections, reads
//! requests, calls the application and writes responses.
//!
//! This is a crate of its own so that a worker inside a Python interpreter carries nothing of the harness. It knows
//! nothing of the arbiter that starts it (`lab-serve`), nor of scenarios and reports. In reading order:
//!
//! - the interface between a worker and its arbiter: [`bootstrap`] (received at its start) with [`connection_limits`],
//!   [`scoreboard`], [`access_record`] and [`log_line`];
//! - the worker itself: [`config`], [`shutdown`], [`worker`], [`idle_connections`];
//! - one connection: [`connection`], [`admission`] (which requests are accepted), and the [`gateway`] that calls the
//!   application for its requests; `http2` serves the streams of one as such connections;
//! - the two kinds of application: [`native`] (tower services) and [`wsgi`] (the parts of PEP 3333 that
//!   need no Python; `lab-python` adds the interpreter). Both use [`response`].

pub mod bootstrap;
pub mod connection_limits;
pub mod scoreboard;
pub mod access_record;
pub mod log_line;

pub mod config;
pub mod shutdown;
pub mod worker;

pub mod tls;
pub mod http2_settings;
pub mod trusted_peers;
pub mod proxy_protocol;
mod accept;
pub mod copies;
pub mod idle_connections;

pub mod admission;
pub mod connection;
pub mod request_body;
mod lendable;
pub mod gateway;
mod http2;
pub mod response;

pub mod native;
pub mod wsgi;

pub use config::WorkerConfig;
pub use connection_limits::ConnectionLimits;
pub use gateway::Gateway;
pub use native::ServiceGateway;
pub use request_body::{BodyError, RequestBody};
pub use shutdown::ShutdownState;
