//! From a request to an action: nginx's phases over the configuration. No I/O but for a look at files.

pub mod phases;
pub mod request;
pub mod route;
pub mod uri;
