//! The Python gateway of lab's app server: a WSGI application in CPython, called on the core that accepted.
//!
//! `lab-worker` holds everything that needs no Python: connections, environ variables, the validation of response heads.
//! This crate adds the interpreter. The interpreter is attached only while the application is called. A request that is
//! still arriving and a response that is still being sent occupy the event loop and nothing else.
//!
//! The modules in reading order:

// The worker process: its start and end, and its state as the arbiter sees it.
mod worker;
mod event_loop;
mod inherited;
mod signals;
mod fork;
mod scoreboard;
mod completed_request;
mod access_reporter;
mod access_writer;
mod error_log;
mod allocator;

// The WSGI call path: from a request head to the call of the application.
mod gateway;
mod executor;
mod thread_pool;
mod hub_queue;
mod hub;
mod call;
mod environ;
mod upgrade;
mod start_response;
mod latin1;

// Body input: what the application reads.
mod request_body;
mod wsgi_input;

// Response output: how content leaves.
mod response;
mod file_wrapper;
mod pinned_bytes;
mod response_writer;
mod response_spool;
mod unsent_memory;
mod response_batch;
mod client_socket;
mod socket_wait;

use pyo3::prelude::*;

/// `lab_wsgi._lab_wsgi`, the part of the Python package `lab_wsgi` that is this crate.
#[pymodule(gil_used = false)]
fn _lab_wsgi(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add("SERVER_SOFTWARE", environ::SERVER_SOFTWARE)?;
    module.add("BodyError", module.py().get_type::<wsgi_input::BodyError>())?;
    module.add_function(wrap_pyfunction!(worker::die_with_arbiter, module)?)?;
    module.add_class::<file_wrapper::FileWrapper>()?;
    module.add_class::<worker::Worker>()
}
