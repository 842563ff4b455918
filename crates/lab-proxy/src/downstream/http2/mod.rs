//! Clients that speak HTTP/2: their connections, and the streams on them.

mod connection;
mod preface;

pub(super) use connection::{ClientOrigin, serve};
pub(super) use preface::{FirstBytes, read_preface, refuse_preface};
