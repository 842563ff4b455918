//! The WSGI gateway against the real thing: `python -m lab_wsgi` in a virtual environment, started as an arbiter would.

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
