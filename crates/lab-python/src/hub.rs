//! gevent's hub, as far as a call needs it: what a greenlet does instead of blocking the thread of all greenlets.

use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Duration;

use pyo3::intern;
use pyo3::prelude::*;

/// The object of `lab_wsgi.greenlets` with these methods.
pub(crate) struct Hub(Py<PyAny>);

impl Hub {
    pub(crate) fn new(object: Py<PyAny>) -> Hub {
        Hub(object)
    }

    /// Lets other greenlets run until the socket accepts more. Returns false if it does not within `timeout`.
    pub(crate) fn wait_writable(&self, py: Python<'_>, socket: BorrowedFd<'_>, timeout: Duration) -> PyResult<bool> {
        let arguments = (socket.as_raw_fd(), timeout.as_secs_f64());
        self.0.bind(py).call_method1(intern!(py, "wait_writable"), arguments)?.extract()
    }

    /// Lets other greenlets run that are ready.
    pub(crate) fn give_way(&self, py: Python<'_>) -> PyResult<()> {
        self.0.bind(py).call_method0(intern!(py, "give_way")).map(drop)
    }

    /// In a copy of the worker, stops the current greenlet for good unless it is the one that forked. Fork copies all
    /// greenlets; the requests of the others are still the worker's.
    pub(crate) fn stop_bystander(&self, py: Python<'_>) -> PyResult<()> {
        self.0.bind(py).call_method0(intern!(py, "stop_bystander")).map(drop)
    }
}
