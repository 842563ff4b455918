//! `wsgi.input` (PEP 3333: "Input and Error Streams").

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::create_exception;
use pyo3::exceptions::{PyOSError, PyStopIteration};
use pyo3::prelude::*;
use pyo3::sync::MutexExt as _;
use pyo3::types::{PyBytes, PyList};

use crate::request_body::{AwaitingBody, BodyFailure, BodyRemainder, RequestBody};
use lab_net::spool::SpoolReader;

create_exception!(
    lab_wsgi,
    BodyError,
    PyOSError,
    "The request body cannot be read: it is malformed, did not arrive in time, or its connection ended within it."
);

/// A request body as a Python stream. A body that cannot be read raises; it never looks like a short one.
#[pyclass(frozen, module = "lab_wsgi", name = "Input")]
pub(crate) struct WsgiInput(Mutex<State>);

struct State {
    source: Source,
    /// What became of a body after `100 Continue`.
    remainder: Option<BodyRemainder>,
}

enum Source {
    Received(SpoolReader),
    AwaitingContinue(Box<AwaitingBody>),
    /// A thread is reading it from the client.
    Arriving,
    Failed(BodyFailure),
}

impl WsgiInput {
    pub(crate) fn new(body: RequestBody) -> WsgiInput {
        let source = match body {
            RequestBody::Empty => Source::Received(SpoolReader::empty()),
            RequestBody::Received(spooled) => Source::Received(spooled),
            RequestBody::AwaitingContinue(body) => Source::AwaitingContinue(body),
        };
        WsgiInput(Mutex::new(State { source, remainder: None }))
    }

    /// Gives up the body: its file, whatever still refers to this object, or what is left of a body with
    /// `Expect: 100-continue`. After this call the body can no longer be read.
    pub(crate) fn reclaim(&self, py: Python<'_>) -> Option<BodyRemainder> {
        let mut state = self.lock(py);
        match state.source {
            Source::AwaitingContinue(_) => {
                state.source = Source::Failed(BodyFailure::ResponseComplete);
                Some(BodyRemainder::NotRequested)
            }
            // A thread of the application is still reading it, so the start of the next request is unknown.
            Source::Arriving => Some(BodyRemainder::Failed(BodyFailure::ResponseComplete)),
            Source::Received(_) => {
                state.source = Source::Failed(BodyFailure::ResponseComplete);
                state.remainder.take()
            }
            Source::Failed(_) => state.remainder.take(),
        }
    }

    /// Reads from the body. The first read of a body that awaits `100 Continue` receives all of it.
    fn with<T>(&self, py: Python<'_>, read: impl FnOnce(&mut SpoolReader) -> PyResult<T>) -> PyResult<T> {
        let mut state = self.lock(py);
        if matches!(state.source, Source::AwaitingContinue(_)) {
            let source = std::mem::replace(&mut state.source, Source::Arriving);
            drop(state);
            if let Source::AwaitingContinue(body) = source {
                let received = py.detach(|| body.read());
                self.set_received(py, received);
            }
            state = self.lock(py);
        }
        match &mut state.source {
            Source::Received(spooled) => read(spooled),
            Source::Failed(failure) => Err(BodyError::new_err(failure.to_string())),
            Source::AwaitingContinue(_) | Source::Arriving => {
                Err(BodyError::new_err("another thread is reading the request body"))
            }
        }
    }

    fn set_received(&self, py: Python<'_>, received: Result<(SpoolReader, Vec<u8>), BodyFailure>) {
        let mut state = self.lock(py);
        let (source, remainder) = match received {
            Ok((spooled, behind)) => (Source::Received(spooled), Some(BodyRemainder::Read(behind))),
            Err(failure @ BodyFailure::ResponseBegun) => (Source::Failed(failure), Some(BodyRemainder::NotRequested)),
            Err(failure) => (Source::Failed(failure), Some(BodyRemainder::Failed(failure))),
        };
        state.source = source;
        state.remainder = remainder;
    }

    /// Python bytes are allocated under this lock, and an allocation may need all threads to stop (without a GIL, for a
    /// garbage collection). So a thread that waits for the lock detaches from the interpreter.
    // Nothing panics while it holds the lock, so a poisoned lock is impossible.
    fn lock(&self, py: Python<'_>) -> MutexGuard<'_, State> {
        self.0.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl WsgiInput {
    /// Up to `size` bytes, or all bytes that are left.
    #[pyo3(signature = (size=None, /))]
    fn read<'py>(&self, py: Python<'py>, size: Option<isize>) -> PyResult<Bound<'py, PyBytes>> {
        self.with(py, |spooled| {
            let size = bound(size).min(spooled.left());
            PyBytes::new_with(py, size, |into| spooled.read_exact(into).map_err(PyErr::from))
        })
    }

    /// The next line with its line end, but no more than `size` bytes of it.
    #[pyo3(signature = (size=None, /))]
    fn readline<'py>(&self, py: Python<'py>, size: Option<isize>) -> PyResult<Bound<'py, PyBytes>> {
        let line = self.with(py, |spooled| line(spooled, bound(size)))?;
        Ok(PyBytes::new(py, &line))
    }

    /// The lines that are left, or the first of them that together have at least `hint` bytes.
    #[pyo3(signature = (hint=None, /))]
    fn readlines<'py>(&self, py: Python<'py>, hint: Option<isize>) -> PyResult<Bound<'py, PyList>> {
        let bound = hint.filter(|&hint| hint > 0).map_or(usize::MAX, isize::unsigned_abs);
        let lines = PyList::empty(py);
        let mut read = 0;
        while read < bound {
            let line = self.with(py, |spooled| line(spooled, usize::MAX))?;
            if line.is_empty() {
                break;
            }
            read += line.len();
            lines.append(PyBytes::new(py, &line))?;
        }
        Ok(lines)
    }

    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let line = self.with(py, |spooled| line(spooled, usize::MAX))?;
        if line.is_empty() { Err(PyStopIteration::new_err(())) } else { Ok(PyBytes::new(py, &line)) }
    }
}

fn line(spooled: &mut SpoolReader, bound: usize) -> PyResult<Vec<u8>> {
    spooled.read_line(bound).map_err(|error: io::Error| error.into())
}

/// A size argument as in Python's streams: None and negative numbers mean all.
fn bound(size: Option<isize>) -> usize {
    size.and_then(|size| usize::try_from(size).ok()).unwrap_or(usize::MAX)
}
