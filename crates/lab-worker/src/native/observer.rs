//! Observing a native application at work: for the scoreboard, the access log and the request count.

use std::time::Duration;

use http::{HeaderMap, StatusCode};
use lab_http::message::extensions::{ConnectionInfo, RawHead};

/// Observes each request of a worker. All methods run on the worker's own thread, within the time of a request.
pub trait Observer {
    /// The application is about to run for this request. A call that awaits something leaves and enters again.
    fn on_enter(&self, arrived: &RawHead);

    /// The application is no longer running.
    fn on_leave(&self);

    /// A response is complete, or was cut off.
    fn on_complete(&self, request: &CompletedRequest<'_>);
}

/// A request with its response.
#[derive(Debug)]
pub struct CompletedRequest<'a> {
    pub arrived: &'a RawHead,
    pub info: &'a ConnectionInfo,
    pub status: StatusCode,
    /// The fields the application gave.
    pub headers: &'a HeaderMap,
    /// Bytes of content that were sent.
    pub sent_bytes: u64,
    /// From the call of the application to the last byte.
    pub duration: Duration,
}

/// Observes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoObserver;

impl Observer for NoObserver {
    fn on_enter(&self, _: &RawHead) {}

    fn on_leave(&self) {}

    fn on_complete(&self, _: &CompletedRequest<'_>) {}
}
