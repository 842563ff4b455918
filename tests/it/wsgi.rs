//! The WSGI gateway in a real Python: `python -m lab_wsgi` in a virtual environment, started as the arbiter starts it.

mod bodies;
mod conduct;
pub(crate) mod environment;
mod fairness;
mod frameworks;
mod greenlets;
mod interactive;
mod launch;
mod lifecycle;
mod slow_readers;
mod threads;
mod worker;
