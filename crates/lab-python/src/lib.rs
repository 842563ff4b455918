//! The Python gateway of lab's app server: a WSGI application in CPython, called in place on the core that accepted.
//!
//! What can be said without Python is in `lab-server`: connections, which variables a request becomes, what may be
//! answered. Here is the glue. In reading order: the worker and its loop; one exchange; the call of the application;
//! what the application is handed; how its answer leaves.
//!
//! The interpreter is only attached to while the application is called. A request whose head or body is still
//! arriving, and a response that is still leaving, occupy the loop and nothing else.

mod worker;
mod orders;
mod notes;
mod access;
mod log;
mod allocator;

mod gateway;
mod pool;

mod call;
mod environ;
mod start_response;
mod input;
mod file_wrapper;

mod response;
mod outlet;
mod outbox;
mod kept;
mod body;
mod awaited;
mod text;

use pyo3::prelude::*;

/// `lab_wsgi._lab_wsgi`, the part of the Python package `lab_wsgi` that is this crate.
#[pymodule(gil_used = false)]
fn _lab_wsgi(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add("BodyError", module.py().get_type::<input::BodyError>())?;
    module.add_class::<file_wrapper::FileWrapper>()?;
    module.add_class::<worker::Worker>()
}
