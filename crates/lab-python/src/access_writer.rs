//! Writes the access log through Python's logger, where the configuration or the application has set one up.

use std::sync::Arc;

use lab_worker::wsgi::response::WsgiResponseHead;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};
use tokio::task::spawn_blocking;

use crate::completed_request::CompletedRequest;
use crate::executor::Executor;
use crate::latin1;

pub(crate) struct AccessWriter {
    /// `lab_wsgi.access_log.AccessWriter`
    write: Arc<Py<PyAny>>,
}

/// A completed request as the logger takes it.
struct Entry {
    environ: Py<PyDict>,
    fields: Vec<(Vec<u8>, Vec<u8>)>,
    status: Vec<u8>,
    headers: Vec<(Vec<u8>, Vec<u8>)>,
    sent_bytes: u64,
    duration_us: u64,
}

impl AccessWriter {
    pub(crate) fn new(write: Py<PyAny>) -> AccessWriter {
        AccessWriter { write: Arc::new(write) }
    }

    /// Writes the line of a request. The event loop does not wait for the interpreter while threads or greenlets run the
    /// application.
    pub(crate) async fn write(
        &self,
        executor: &Executor,
        request: &CompletedRequest<'_>,
        environ: Py<PyDict>,
        duration_us: u64,
    ) {
        let entry = Entry::new(request, environ, duration_us);
        let write = Arc::clone(&self.write);
        match executor {
            Executor::EventLoop => entry.write(&write),
            // Fails only while the worker ends.
            Executor::Threads(_) => drop(spawn_blocking(move || entry.write(&write)).await),
            // Locks of a logger are the hub's, because of monkey patching.
            Executor::Hub(queue) => queue.run(Box::new(move || entry.write(&write))).await,
        }
    }
}

impl Entry {
    fn new(request: &CompletedRequest<'_>, environ: Py<PyDict>, duration_us: u64) -> Entry {
        let owned = |(name, value): (&[u8], &[u8])| (name.to_vec(), value.to_vec());
        let upper = |(name, value): (&[u8], &[u8])| (name.to_ascii_uppercase(), value.to_vec());
        let mut headers: Vec<_> = request.response.into_iter().flat_map(WsgiResponseHead::fields).map(owned).collect();
        if let Some(length) = request.response.and_then(WsgiResponseHead::content_length) {
            headers.push((b"Content-Length".to_vec(), length.to_string().into_bytes()));
        }
        let status: &[u8] = request.response.map_or(b"500 Internal Server Error", WsgiResponseHead::status_text);
        Entry {
            environ,
            fields: request.head.headers.iter().map(upper).collect(),
            status: status.to_vec(),
            headers,
            sent_bytes: request.sent_bytes,
            duration_us,
        }
    }

    fn write(self, write: &Py<PyAny>) {
        // The logger handles its own exceptions; others come from memory that is exhausted.
        let written = Python::try_attach(|py| {
            let (fields, headers) = (pairs(py, &self.fields)?, pairs(py, &self.headers)?);
            let status = latin1::decode(py, &self.status)?;
            write.call1(py, (self.environ, fields, status, headers, self.sent_bytes, self.duration_us)).map(drop)
        });
        if let Some(Err(error)) = written {
            tracing::error!("cannot write to the access log: {error}");
        }
    }
}

fn pairs<'py>(py: Python<'py>, fields: &[(Vec<u8>, Vec<u8>)]) -> PyResult<Bound<'py, PyList>> {
    let pairs = fields.iter().map(|(name, value)| Ok((latin1::decode(py, name)?, latin1::decode(py, value)?)));
    PyList::new(py, pairs.collect::<PyResult<Vec<_>>>()?)
}
