//! The state of a request that several modules share, and the small types that they exchange.
//!
//! Functions pass [`RequestContext`] on instead of many references. This module knows the configuration, the variables,
//! the phases and the streams of HTTP/2. It must not know how a request is read, or how its response is fetched and sent: it imports nothing
//! of `downstream`, `upstream`, `response` or the worker threads.

pub(crate) mod body_file_name;
pub(crate) mod cached_exchange;
pub(crate) mod client_half;
pub(crate) mod counting_writer;
pub(crate) mod disposition;
pub(crate) mod field_value;
pub(crate) mod rate_limit;
pub(crate) mod request;
pub(crate) mod request_body;
pub(crate) mod stored_file;
pub(crate) mod waker_set;
pub(crate) mod worker;

pub(crate) use cached_exchange::{CachedExchange, PendingUpdate};
pub(crate) use client_half::{ClientReadHalf, ClientWriteHalf};
pub(crate) use counting_writer::CountingWriter;
pub(crate) use disposition::{ConnectionDisposition, Persistence};
pub(crate) use field_value::replace_control_characters;
pub(crate) use rate_limit::RateLimit;
pub(crate) use request::RequestContext;
pub(crate) use request_body::{RequestBody, RequestBodyError, RequestSource};
pub(crate) use stored_file::StoredFile;
pub(crate) use waker_set::WakerSet;
pub(crate) use worker::WorkerContext;
