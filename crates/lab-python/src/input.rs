//! `wsgi.input` (PEP 3333: "Input and Error Streams").

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use lab_net::spool::SpoolReader;
use pyo3::create_exception;
use pyo3::exceptions::{PyOSError, PyStopIteration};
use pyo3::prelude::*;
use pyo3::sync::MutexExt as _;
use pyo3::types::{PyBytes, PyList};

use crate::body::{Body, Failure, Remains, Unasked};

create_exception!(
    lab_wsgi,
    BodyError,
    PyOSError,
    "The request body cannot be read: it is malformed, did not arrive in time, or its connection ended within it."
);

/// The body of a request, as a stream of bytes. A body that cannot be read raises; it never looks like an early end.
#[pyclass(frozen, module = "lab_wsgi")]
pub(crate) struct Input(Mutex<State>);

struct State {
    source: Source,
    /// What became of a body that was asked for.
    remains: Option<Remains>,
}

enum Source {
    Arrived(SpoolReader),
    Unasked(Box<Unasked>),
    /// Somebody waits for it.
    Arriving,
    Failed(Failure),
}

impl Input {
    pub(crate) fn new(body: Body) -> Input {
        let source = match body {
            Body::Empty => Source::Arrived(SpoolReader::empty()),
            Body::Arrived(spooled) => Source::Arrived(spooled),
            Body::Unasked(unasked) => Source::Unasked(unasked),
        };
        Input(Mutex::new(State { source, remains: None }))
    }

    /// Takes what is left of a body that its client was to be asked for. It can no longer be asked for then.
    pub(crate) fn reclaim(&self, py: Python<'_>) -> Option<Remains> {
        let mut state = self.lock(py);
        match state.source {
            Source::Unasked(_) => {
                state.source = Source::Failed(Failure::Answered);
                Some(Remains::Unasked)
            }
            // A thread of the application still reads it: nobody knows where the next request starts.
            Source::Arriving => Some(Remains::Failed(Failure::Answered)),
            Source::Arrived(_) | Source::Failed(_) => state.remains.take(),
        }
    }

    /// Reads from the body, which is asked for and waited for if it must be.
    fn with<T>(&self, py: Python<'_>, read: impl FnOnce(&mut SpoolReader) -> PyResult<T>) -> PyResult<T> {
        let mut state = self.lock(py);
        if matches!(state.source, Source::Unasked(_)) {
            let source = std::mem::replace(&mut state.source, Source::Arriving);
            drop(state);
            if let Source::Unasked(unasked) = source {
                let fetched = py.detach(|| unasked.fetch());
                self.arrived(py, fetched);
            }
            state = self.lock(py);
        }
        match &mut state.source {
            Source::Arrived(spooled) => read(spooled),
            Source::Failed(failure) => Err(BodyError::new_err(failure.to_string())),
            Source::Unasked(_) | Source::Arriving => Err(BodyError::new_err("the body is being read by someone else")),
        }
    }

    fn arrived(&self, py: Python<'_>, fetched: Result<(SpoolReader, Vec<u8>), Failure>) {
        let mut state = self.lock(py);
        let (source, remains) = match fetched {
            Ok((spooled, behind)) => (Source::Arrived(spooled), Some(Remains::Read(behind))),
            Err(Failure::Forgone) => (Source::Failed(Failure::Forgone), Some(Remains::Unasked)),
            Err(failure) => (Source::Failed(failure), Some(Remains::Failed(failure))),
        };
        state.source = source;
        state.remains = remains;
    }

    /// Bytes of Python are made while this is held, which may need the interpreter for itself: who waits lets go of it.
    // Nothing panics while it holds the lock, and a state is always whole.
    fn lock(&self, py: Python<'_>) -> MutexGuard<'_, State> {
        self.0.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl Input {
    /// Up to `size` bytes; all that is left without it.
    #[pyo3(signature = (size=None, /))]
    fn read<'py>(&self, py: Python<'py>, size: Option<isize>) -> PyResult<Bound<'py, PyBytes>> {
        self.with(py, |spooled| {
            let size = bound(size).min(spooled.left());
            PyBytes::new_with(py, size, |into| spooled.read_exact(into).map_err(PyErr::from))
        })
    }

    /// The next line, its end included, but no more than `size` bytes of it.
    #[pyo3(signature = (size=None, /))]
    fn readline<'py>(&self, py: Python<'py>, size: Option<isize>) -> PyResult<Bound<'py, PyBytes>> {
        let line = self.with(py, |spooled| line(spooled, bound(size)))?;
        Ok(PyBytes::new(py, &line))
    }

    /// The lines that are left, or as many as together have `hint` bytes or more.
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

/// A size as Python's streams take it: none and a negative one mean all.
fn bound(size: Option<isize>) -> usize {
    size.and_then(|size| usize::try_from(size).ok()).unwrap_or(usize::MAX)
}
