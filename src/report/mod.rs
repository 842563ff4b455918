//! Reports: pure exporters from a [`Record`](crate::record::Record) to text.

mod against;
pub mod calibration;
mod changes;
mod checks;
pub mod difference;
pub mod finding;
mod loads;
pub mod numbers;
mod objections;
mod speed;
pub mod stacks;
pub mod terminal;
