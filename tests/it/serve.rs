//! `lab serve`: what it answers, to the byte, and how its processes live and die.

mod app;
mod interactive;
mod lifecycle;
mod processes;
mod python;
pub(crate) mod server;
mod signals;
pub(crate) mod wire;
