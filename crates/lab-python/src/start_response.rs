//! `start_response` and the `write` it returns (PEP 3333: "The start_response() Callable").

use std::borrow::Cow;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use lab_worker::wsgi::response::{StartError, Started};
use pyo3::exceptions::{PyAssertionError, PyRuntimeError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::MutexExt as _;
use pyo3::types::{PyBytes, PyList, PyString, PyTuple};

use crate::response::Response;
use crate::text;

/// The callable of one request. It holds the response until the exchange ends; what an application calls after that
/// raises.
///
/// The lock is never held while the interpreter is given away: whoever waits for the client takes the response out.
#[pyclass(frozen, module = "lab_wsgi")]
pub(crate) struct StartResponse(Mutex<State>);

struct State {
    /// Not here while somebody waits with it for the client, nor when the exchange has ended.
    response: Option<Response>,
    has_ended: bool,
}

/// The `write` callable.
#[pyclass(frozen, module = "lab_wsgi")]
pub(crate) struct Write(Py<StartResponse>);

impl StartResponse {
    pub(crate) fn new(response: Response) -> StartResponse {
        StartResponse(Mutex::new(State { response: Some(response), has_ended: false }))
    }

    /// Ends the exchange and takes the response away; None if a thread of the application still waits with it for the
    /// client.
    pub(crate) fn end(&self, py: Python<'_>) -> Option<Response> {
        let mut state = self.lock(py);
        state.has_ended = true;
        state.response.take()
    }

    /// Does something with the response, if the exchange has not ended.
    pub(crate) fn with<T>(&self, py: Python<'_>, act: impl FnOnce(&mut Response) -> T) -> PyResult<T> {
        let mut state = self.lock(py);
        let has_ended = state.has_ended;
        state.response.as_mut().map(act).ok_or_else(|| {
            let why = if has_ended { "the request has already been answered" } else { "another thread is sending" };
            PyRuntimeError::new_err(why)
        })
    }

    /// Gives the interpreter away until the client has taken enough of what was sent.
    pub(crate) fn wait(&self, py: Python<'_>) -> io::Result<()> {
        let Some(mut response) = self.lock(py).response.take() else { return Ok(()) };
        let waited = py.detach(|| response.wait());
        let mut state = self.lock(py);
        if !state.has_ended {
            state.response = Some(response);
        }
        waited
    }

    /// Whoever waits for it lets go of the interpreter: without a GIL, all may have to stand still for one meanwhile.
    // Nothing panics while it holds the lock, and a response is always whole.
    fn lock(&self, py: Python<'_>) -> MutexGuard<'_, State> {
        self.0.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner)
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
        let mut started = Started::new(&native(status, "the status")?).map_err(refused)?;
        match response_headers.cast_exact::<PyList>() {
            Ok(list) => list.iter().try_for_each(|field| add(&mut started, &field))?,
            Err(_) => response_headers.try_iter()?.try_for_each(|field| add(&mut started, &field?))?,
        }
        slf.get().with(py, |response| response.start(started))?;
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

/// Adds one field of the application's list.
fn add(started: &mut Started, field: &Bound<'_, PyAny>) -> PyResult<()> {
    let pair = field.cast::<PyTuple>().ok().filter(|pair| pair.len() == 2);
    let (name, value) = match pair {
        Some(pair) => (pair.get_borrowed_item(0)?.to_owned(), pair.get_borrowed_item(1)?.to_owned()),
        // Not a tuple, as PEP 3333 wants it, but gunicorn takes any pair.
        None => field
            .extract::<(Bound<'_, PyAny>, Bound<'_, PyAny>)>()
            .map_err(|_| PyTypeError::new_err("a response header is not a (name, value) tuple"))?,
    };
    started.field(&native(&name, "a header name")?, &native(&value, "a header value")?).map_err(refused)
}

/// The bytes of a native string.
fn native<'v>(value: &'v Bound<'_, PyAny>, what: &str) -> PyResult<Cow<'v, [u8]>> {
    match value.cast::<PyString>() {
        Ok(string) => match text::bytes(string) {
            Ok(bytes) => Ok(bytes),
            Err(_) => Err(PyValueError::new_err(format!("{what} has characters that are not in Latin-1"))),
        },
        Err(_) => Err(PyTypeError::new_err(format!("{what} is not a str but {}", value.get_type().name()?))),
    }
}

/// That something is not bytes.
pub(crate) fn not_bytes(whence: &str, found: &Bound<'_, PyAny>) -> PyErr {
    match found.get_type().name() {
        Ok(name) => PyTypeError::new_err(format!("{whence} {name} and not bytes")),
        Err(error) => error,
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is used as a function value where an error is handed over")]
fn refused(error: StartError) -> PyErr {
    PyValueError::new_err(error.to_string())
}
