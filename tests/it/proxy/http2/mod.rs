//! HTTP/2 towards clients, on real sockets.

pub(crate) mod frames;
pub(crate) mod script;

mod abuses;
mod connections;
