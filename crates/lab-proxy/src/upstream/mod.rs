//! The server side of the proxy: peers, connections to them, and the exchange of a request for an owned response.
//!
//! The entry point is `forwarding::Forwarding`, which sends a request to one peer after the other until one responds.
//! This module must not know how a client's connection works or how a response is written: it reads the request's body
//! from a `RequestSource`, returns a `Response`, and imports nothing of `downstream`.

pub mod balancer;

pub mod request_head;
mod uwsgi_head;
pub(crate) mod attempts;
pub(crate) mod error;
pub(crate) mod exchange;
pub(crate) mod forwarding;
pub(crate) mod local_endpoint;
pub(crate) mod pool;
pub(crate) mod request_sender;
mod tls;
pub(crate) mod resolver;
pub(crate) mod upstreams;

pub(crate) use upstreams::Upstreams;
