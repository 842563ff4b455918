//! Reports: pure exporters from a [`Record`](crate::record::Record) to text.

mod against;
pub mod calibration;
pub mod chart;
pub mod markdown;
pub mod repeat;
pub mod repeatability;
mod changes;
mod checks;
pub mod difference;
pub mod finding;
mod common_rates;
mod guards;
mod loads;
mod standing;
mod svg;
pub mod numbers;
mod objections;
mod speed;
pub mod stacks;
pub mod terminal;
