//! The `proxy_*` directives: how a location passes requests to an upstream.

pub mod buffering;
pub mod cookies;
pub mod fields;
pub mod pass;
pub mod redirect;
pub mod retry;
