//! The driver's process, as `lab run` starts it, against servers of this process.

mod cross_checks;
pub(crate) mod driver;
mod frozen;
mod goose;
mod journey;
mod open;
pub(crate) mod servers;
mod shared;
mod tls;
