//! HTTP/2: accepts the streams of a connection, and serves each request as one of HTTP/1.1.
//!
//! A gateway reads a request's body from a socket and writes the response to it, some from the threads of an application.
//! So a stream gets an inner connection, whose socket is one end of a pair. What the
//! gateway writes to it becomes frames, and the content of frames becomes what the gateway reads. The head of a request does
//! not pass the pair.

mod client_context;
mod connection;
mod inner_connection;
mod preface;
mod stream;

pub(crate) use client_context::ClientContext;
pub(crate) use connection::serve;
pub(crate) use preface::{FirstBytes, read_preface, refuse_other_protocol};
