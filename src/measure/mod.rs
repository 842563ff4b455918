//! Measurement: rounds, statistics, resource use.

pub mod rounds;
pub mod resources;
