//! A person's own deployment: its files as they are, its environment, and the scenario that `lab init` writes for it.

mod asgi;
pub(crate) mod behind_proxy;
mod cache;
mod checks;
mod clean;
mod client_address;
mod environment;
mod failures;
mod hopeless;
mod init;
mod layouts;
pub(crate) mod python_server;
mod refusals;
pub(crate) mod services;
mod session;
mod sockets;
mod tls;
mod upstreams;
