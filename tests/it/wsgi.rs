//! The WSGI gateway against the real thing: `python -m lab_wsgi` in a virtual environment, started as an arbiter would.

mod conduct;
mod environment;
mod frameworks;
mod interactive;
mod launch;
mod lifecycle;
mod worker;
