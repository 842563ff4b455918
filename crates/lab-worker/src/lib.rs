//! What every worker of lab's app server runs, whatever hosts the app: how a request becomes a call of the app and a
//! response becomes bytes, and the loop that accepts connections around it.
//!
//! A crate of its own, so that a worker inside a Python interpreter carries nothing of the harness with it. It knows
//! nothing of the processes around a worker: their arbiter is in `lab` itself, and so are scenarios and reports.

pub mod worker_settings;
pub mod notes;
pub mod access_record;
pub mod log_line;

pub mod settings;

pub mod order;
pub mod tls;
pub mod proxy_protocol;
pub mod worker;
pub mod connection;
pub mod service;
pub mod observer;
pub mod request_body;
pub mod response;
pub mod wsgi;

mod accept;
mod request;
mod wire;

pub use connection::Gateway;
pub use order::Order;
pub use request_body::{BodyError, RequestBody};
pub use service::ServiceGateway;
pub use settings::Settings;
