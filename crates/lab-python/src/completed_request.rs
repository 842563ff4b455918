//! A completed request, as far as the access log needs it.

use std::time::{Instant, SystemTime};

use lab_http::RequestHead;
use lab_worker::wsgi::environ::Variables;
use lab_worker::wsgi::response::WsgiResponseHead;
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// When a request began.
pub(crate) struct StartTime {
    pub(crate) system: SystemTime,
    pub(crate) monotonic: Instant,
}

impl StartTime {
    pub(crate) fn now() -> StartTime {
        StartTime { system: SystemTime::now(), monotonic: Instant::now() }
    }
}

/// A completed request, as far as its access record needs it.
pub(crate) struct CompletedRequest<'a> {
    pub(crate) start: StartTime,
    pub(crate) head: &'a RequestHead,
    pub(crate) variables: &'a Variables<'a>,
    pub(crate) remote_addr: String,
    /// None if the application failed before its response began.
    pub(crate) response: Option<&'a WsgiResponseHead>,
    pub(crate) sent_bytes: u64,
    pub(crate) environ: LoggedEnviron,
}

/// What the access log needs of an environ.
#[derive(Default)]
pub(crate) struct LoggedEnviron {
    /// The variables that the settings name.
    pub(crate) variables: Vec<(String, String)>,
    /// The whole request, if Python's logger writes the access log.
    pub(crate) whole: Option<Py<PyDict>>,
}
