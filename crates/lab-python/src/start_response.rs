//! `start_response` and the `write` it returns (PEP 3333: "The start_response() Callable").

use std::borrow::Cow;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lab_worker::wsgi::response::{ResponseHeadError, WsgiResponseHead};
use pyo3::exceptions::{PyAssertionError, PyRuntimeError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::MutexExt as _;
use pyo3::types::{PyBytes, PyList, PyString, PyTuple};

use rustix::event::PollFlags;

use crate::hub::Hub;
use crate::latin1;
use crate::response::Response;
use crate::socket_wait::wait_for;

/// The callable of one request. It holds the response until the call of the application ends; later calls raise.
///
/// The lock is never held while detached or while other greenlets run: code that waits for the client takes the response out.
#[pyclass(frozen, module = "lab_wsgi")]
pub(crate) struct StartResponse {
    state: Mutex<State>,
    /// The hub, if the call is a greenlet.
    hub: Option<Arc<Hub>>,
}

struct State {
    /// None while a thread waits for the client with it, and after the call has ended.
    response: Option<Response>,
    has_ended: bool,
}

/// Why a wait for the client ended early.
pub(crate) enum WaitError {
    /// The client is gone, or too slow.
    Client(io::Error),
    /// Another greenlet has ended this one.
    Raised(PyErr),
}

/// The `write` callable.
#[pyclass(frozen, module = "lab_wsgi")]
pub(crate) struct Write(Py<StartResponse>);

impl StartResponse {
    pub(crate) fn new(response: Response, hub: Option<Arc<Hub>>) -> StartResponse {
        StartResponse { state: Mutex::new(State { response: Some(response), has_ended: false }), hub }
    }

    pub(crate) fn hub(&self) -> Option<&Hub> {
        self.hub.as_deref()
    }

    /// Ends the call and takes the response; None if a thread of the application is still waiting for the client with it.
    pub(crate) fn end(&self, py: Python<'_>) -> Option<Response> {
        let mut state = self.lock(py);
        state.has_ended = true;
        state.response.take()
    }

    /// Calls `act` with the response. Raises after the call has ended.
    pub(crate) fn with<T>(&self, py: Python<'_>, act: impl FnOnce(&mut Response) -> T) -> PyResult<T> {
        let mut state = self.lock(py);
        let has_ended = state.has_ended;
        state.response.as_mut().map(act).ok_or_else(|| {
            let why = if has_ended { "the response is already complete" } else { "another thread is sending" };
            PyRuntimeError::new_err(why)
        })
    }

    /// Waits until the backlog of the response is gone. Other threads and greenlets run meanwhile.
    pub(crate) fn wait(&self, py: Python<'_>) -> Result<(), WaitError> {
        let mut response = {
            let mut state = self.lock(py);
            let Some(response) = &mut state.response else { return Ok(()) };
            // Before the lock is released: afterwards another thread may end the call, and its connection may be closed.
            response.own_socket()?;
            let Some(response) = state.response.take() else { return Ok(()) };
            response
        };
        let waited = match &self.hub {
            None => py
                .detach(|| response.wait(|socket, timeout| wait_for(socket, PollFlags::OUT, timeout)))
                .map_err(WaitError::Client),
            Some(hub) => {
                response.wait(|socket, timeout| hub.wait_writable(py, socket, timeout).map_err(WaitError::Raised))
            }
        };
        let mut state = self.lock(py);
        if !state.has_ended {
            state.response = Some(response);
        }
        waited
    }

    /// Detaches while it waits for the lock: without a GIL, a garbage collection stops all attached threads.
    // Nothing panics while it holds the lock, so a poisoned lock is impossible.
    fn lock(&self, py: Python<'_>) -> MutexGuard<'_, State> {
        self.state.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl StartResponse {
    #[pyo3(signature = (status, response_headers, exc_info=None, /))]
    fn __call__(
        slf: &Bound<'_, Self>,
        status: &Bound<'_, PyAny>,
        response_headers: &Bound<'_, PyAny>,
        exc_info: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Write> {
        let py = slf.py();
        let (is_started, is_committed) =
            slf.get().with(py, |response| (response.is_started(), response.is_committed()))?;
        match exc_info {
            Some(exc_info) if is_committed => return Err(PyErr::from_value(exc_info.get_item(1)?)),
            None if is_started => {
                return Err(PyAssertionError::new_err("start_response was called before, and now without exc_info"));
            }
            _ => {}
        }
        let mut head = WsgiResponseHead::new(&native_bytes(status, "the status")?).map_err(value_error)?;
        match response_headers.cast_exact::<PyList>() {
            Ok(list) => list.iter().try_for_each(|field| add_field(&mut head, &field))?,
            Err(_) => response_headers.try_iter()?.try_for_each(|field| add_field(&mut head, &field?))?,
        }
        slf.get().with(py, |response| response.set_head(head))?;
        Ok(Write(slf.clone().unbind()))
    }
}

#[pymethods]
impl Write {
    /// Sends content at once.
    #[pyo3(signature = (data, /))]
    fn __call__(&self, py: Python<'_>, data: &Bound<'_, PyAny>) -> PyResult<()> {
        let Ok(content) = data.cast::<PyBytes>() else { return Err(not_bytes("write() was given", data)) };
        let start_response = self.0.get();
        let is_backlogged = start_response.with(py, |response| {
            response.commit(None);
            response.push(content.as_bytes())?;
            response.send()?;
            Ok::<_, io::Error>(response.is_backlogged())
        })??;
        if is_backlogged {
            start_response.wait(py)?;
        }
        Ok(())
    }
}

impl From<io::Error> for WaitError {
    fn from(error: io::Error) -> WaitError {
        WaitError::Client(error)
    }
}

impl From<WaitError> for PyErr {
    fn from(error: WaitError) -> PyErr {
        match error {
            WaitError::Client(error) => error.into(),
            WaitError::Raised(error) => error,
        }
    }
}

/// Adds one field of the application's list.
fn add_field(head: &mut WsgiResponseHead, field: &Bound<'_, PyAny>) -> PyResult<()> {
    let pair = field.cast::<PyTuple>().ok().filter(|pair| pair.len() == 2);
    let (name, value) = match pair {
        Some(pair) => (pair.get_borrowed_item(0)?.to_owned(), pair.get_borrowed_item(1)?.to_owned()),
        // PEP 3333 requires a tuple, but gunicorn accepts any pair.
        None => field
            .extract::<(Bound<'_, PyAny>, Bound<'_, PyAny>)>()
            .map_err(|_| PyTypeError::new_err("a response header is not a (name, value) tuple"))?,
    };
    head.field(&native_bytes(&name, "a header name")?, &native_bytes(&value, "a header value")?).map_err(value_error)
}

/// The bytes of a native string.
fn native_bytes<'v>(value: &'v Bound<'_, PyAny>, what: &str) -> PyResult<Cow<'v, [u8]>> {
    match value.cast::<PyString>() {
        Ok(string) => match latin1::encode(string) {
            Ok(bytes) => Ok(bytes),
            Err(_) => Err(PyValueError::new_err(format!("{what} has characters that are not in Latin-1"))),
        },
        Err(_) => Err(PyTypeError::new_err(format!("{what} is not a str but {}", value.get_type().name()?))),
    }
}

/// The TypeError for a value that is not bytes. `source` says where it comes from.
pub(crate) fn not_bytes(source: &str, found: &Bound<'_, PyAny>) -> PyErr {
    match found.get_type().name() {
        Ok(name) => PyTypeError::new_err(format!("{source} {name} and not bytes")),
        Err(error) => error,
    }
}

#[expect(clippy::needless_pass_by_value, reason = "passed to map_err, which gives the error by value")]
fn value_error(error: ResponseHeadError) -> PyErr {
    PyValueError::new_err(error.to_string())
}
