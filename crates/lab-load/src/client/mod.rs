//! One connection to the stack: the requests of lab's own drivers, and the classification of their failures.

mod connection;
#[cfg(test)]
pub(crate) mod failing_server;
pub(crate) mod failure;
mod http2;
pub(crate) mod pool;
pub(crate) mod request_slot;
pub(crate) mod target;
pub(crate) mod tls;
