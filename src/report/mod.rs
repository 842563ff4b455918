//! Reports: pure exporters from a [`Record`](crate::record::Record) to text.

pub mod calibration;
pub mod difference;
mod loads;
pub mod numbers;
pub mod terminal;
