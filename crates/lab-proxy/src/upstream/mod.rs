//! The server's side of the proxy: choosing a peer, pooled connections, and the exchange with it.

pub mod balancer;

pub mod request_head;
pub(crate) mod attempts;
pub(crate) mod exchange;
pub(crate) mod forward;
pub(crate) mod group;
pub(crate) mod resolver;
pub(crate) mod tunnel;
