//! The state of a request that every room on its way shares, and the small types that cross their borders.
//!
//! [`RequestContext`] is what functions pass on instead of a row of references. This room knows the configuration, the
//! variables and routing. It must not know who reads a request, fetches its response or sends it: it imports nothing of
//! `downstream`, `upstream`, `response` or the worker threads.

pub(crate) mod counting_writer;
pub(crate) mod disposition;
pub(crate) mod field_value;
pub(crate) mod request;
pub(crate) mod request_body;
pub(crate) mod waker_set;
pub(crate) mod worker;

pub(crate) use counting_writer::CountingWriter;
pub(crate) use disposition::{ConnectionDisposition, Persistence};
pub(crate) use field_value::replace_control_characters;
pub(crate) use request::RequestContext;
pub(crate) use request_body::{RequestBody, RequestBodyError, RequestSource};
pub(crate) use waker_set::WakerSet;
pub(crate) use worker::WorkerContext;
