//! Who watches a native app at work: for signs of life, for the access log, for the number of requests.

use std::time::Duration;

use http::{HeaderMap, StatusCode};

use lab_http::extensions::{ArrivedHead, ConnectionInfo};

/// Is told what the app does. Everything is called on the worker's own thread, and within the time of a request.
pub trait Observer {
    /// The app is about to be run for this request, on this thread. An app that waits is left and entered again.
    fn enter(&self, arrived: &ArrivedHead);

    /// The app is not running any more.
    fn leave(&self);

    /// A request was answered, or its answer broke off.
    fn answered(&self, answered: &Answered<'_>);
}

/// An answered request.
#[derive(Debug)]
pub struct Answered<'a> {
    /// The request.
    pub arrived: &'a ArrivedHead,
    /// The connection it came on.
    pub info: &'a ConnectionInfo,
    /// The status of the answer.
    pub status: StatusCode,
    /// The fields of the app.
    pub headers: &'a HeaderMap,
    /// Bytes of content that were sent.
    pub sent_bytes: u64,
    /// How long it took, from the call of the app to the last byte.
    pub took: Duration,
}

/// Nobody watches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Nobody;

impl Observer for Nobody {
    fn enter(&self, _: &ArrivedHead) {}

    fn leave(&self) {}

    fn answered(&self, _: &Answered<'_>) {}
}
