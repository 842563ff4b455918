//! The WSGI gateway against the real thing: `python -m lab_wsgi` in a virtual environment, started as an arbiter would.

mod conduct;
pub(crate) mod environment;
mod frameworks;
mod interactive;
mod launch;
mod lifecycle;
mod threads;
mod worker;
