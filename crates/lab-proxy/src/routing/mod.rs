//! From a request to an action: nginx's phases over the compiled configuration. Sends nothing and waits for nothing.

pub mod phases;
pub mod request;
pub mod route;
pub mod uri;
