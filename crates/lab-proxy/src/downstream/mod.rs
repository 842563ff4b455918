//! The client side of the proxy: connections, the requests on them, and the responses that are written.
//!
//! The path of a request, by file:
//!
//! 1. `opening` reads a PROXY header and performs a TLS handshake; `connection` waits for an HTTP/1.1 request and
//!    reads its head, `http2` accepts the HTTP/2 streams;
//! 2. `request` takes it through the routing phases, which end in an action;
//! 3. `proxied` gets the response from an upstream, or `cached` from the cache, and `cache_reception` stores it; pages,
//!    texts and files come from `crate::response::local`;
//! 4. the steps of `crate::response` change the response, and `assembly` adds the content of subrequests;
//! 5. `response_writer` writes it, for `delivery` and `local_response`, and `request` logs the request.
//!
//! Only this module knows both the client and the upstream. It must not know threads, signals or listeners, which
//! belong to `runtime`.

pub(crate) mod assembly;
pub(crate) mod cache_reception;
pub(crate) mod cache_update;
pub(crate) mod cached;
pub(crate) mod cached_response;
pub(crate) mod client_io;
pub(crate) mod connection;
mod content_copy;
mod delivery;
pub(crate) mod first_slice;
pub(crate) mod head_writer;
pub(crate) mod http2;
pub(crate) mod local_response;
pub(crate) mod mirror;
pub(crate) mod opening;
pub(crate) mod proxied;
pub(crate) mod request;
pub(crate) mod request_collection;
pub(crate) mod response_buffer;
pub(crate) mod response_writer;
pub(crate) mod slices;
pub(crate) mod stream_fields;
pub(crate) mod subrequest;
pub(crate) mod subrequest_exchange;
pub(crate) mod tls_policy;
pub(crate) mod tunnel;
