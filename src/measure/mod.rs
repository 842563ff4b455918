//! Measurement: rounds, statistics, resource use.

pub mod resources;
