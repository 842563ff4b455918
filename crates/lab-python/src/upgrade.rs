//! `gunicorn.socket`: the client's socket, for an application that takes over the connection of a request for another
//! protocol (RFC 9110 §7.8), such as a server of WebSockets. It ends its call with StopIteration, as under gunicorn.

use std::os::fd::{AsFd as _, IntoRawFd as _};

use lab_http::RequestHead;
use pyo3::exceptions::PyStopIteration;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{IntoPyDict as _, PyDict};

use crate::client_socket::ClientSocket;

/// Seconds: about the longest timeout of a Python socket. Without a timeout, Python would make the descriptor block, and the
/// event loop uses the same one.
const ENDLESS: u32 = 2_000_000;

/// The client's socket, if the request asks for another protocol; None for TLS, whose records the worker itself has to
/// encrypt.
pub(crate) fn requested(head: &RequestHead, client: &ClientSocket) -> Option<ClientSocket> {
    (head.headers.get("upgrade").is_some() && !client.is_tls()).then(|| client.clone())
}

/// Adds a client's socket to an environ.
pub(crate) fn offer(environ: &Bound<'_, PyDict>, client: &ClientSocket) -> PyResult<()> {
    let py = environ.py();
    let descriptor = client.as_fd().try_clone_to_owned()?;
    let class = py.import("socket")?.getattr("socket")?;
    let socket = class.call((), Some(&[("fileno", descriptor.into_raw_fd())].into_py_dict(py)?))?;
    socket.call_method1("settimeout", (ENDLESS,))?;
    environ.set_item(intern!(py, "gunicorn.socket"), socket)
}

/// Whether the application has taken over the connection.
pub(crate) fn is_taken_over(py: Python<'_>, error: &PyErr) -> bool {
    error.is_instance_of::<PyStopIteration>(py)
}
