//! Reports: pure exporters from a [`Record`](crate::record::Record) to text.

pub mod calibration;
pub mod chart;
pub mod markdown;
pub mod repeat;
pub mod repeatability;
pub mod difference;
pub mod finding;
mod common_rates;
mod guards;
mod loads;
mod standing;
mod svg;
pub mod numbers;
pub mod stacks;
pub mod terminal;
