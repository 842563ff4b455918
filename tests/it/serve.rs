//! `lab serve`: what it answers, to the byte, and how its processes live and die.

mod access_log;
mod app;
mod applications;
mod bounds;
mod hosts;
mod interactive;
mod lifecycle;
mod processes;
mod proxy_header;
mod python;
pub(crate) mod server;
mod signals;
mod tls;
pub(crate) mod wire;
