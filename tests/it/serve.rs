//! `lab serve`: what it answers, to the byte, and how its processes live and die.

mod app;
mod interactive;
pub(crate) mod lifecycle;
mod wire;
