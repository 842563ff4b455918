//! Reports: pure exporters from a [`Record`](crate::record::Record) to text.

pub mod calibration;
pub mod difference;
pub mod finding;
mod loads;
pub mod numbers;
pub mod stacks;
pub mod terminal;
