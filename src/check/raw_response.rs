//! A response of any version of HTTP, before it becomes an observation.

use std::time::{Duration, Instant};

/// A response as read.
pub(super) struct RawResponse {
    pub(super) status: u16,
    /// Empty with HTTP/2, which has none.
    pub(super) reason: Vec<u8>,
    /// Names and values in order.
    pub(super) fields: Vec<(Vec<u8>, Vec<u8>)>,
    pub(super) body: Vec<u8>,
    /// The framing error of the body.
    pub(super) framing_error: Option<String>,
    /// When its request was sent.
    pub(super) sent: Instant,
    pub(super) ended: Instant,
}

/// How often a request is sent on one connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Repetition {
    pub(super) times: u16,
    /// The time between a response and the next request.
    pub(super) pause: Duration,
}
