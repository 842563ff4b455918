//! The client side of the proxy: connections, the requests on them, and the responses that are written.
//!
//! A request's way, by file:
//!
//! 1. `connection` waits for a request and reads its head;
//! 2. `request` takes it through the routing phases, which end in an action;
//! 3. `proxied` lets an upstream produce the response; pages, texts and files come from `crate::response::local`;
//! 4. the steps of `crate::response` change the response;
//! 5. `response_writer` writes it, and `request` logs the request.
//!
//! This room is the only one that knows both the client and the upstream. It must not know threads, signals or
//! listeners: those are `runtime`'s.

pub(crate) mod connection;
pub(crate) mod head_writer;
pub(crate) mod proxied;
pub(crate) mod request;
pub(crate) mod request_collection;
pub(crate) mod response_buffer;
pub(crate) mod response_writer;
pub(crate) mod tunnel;
