//! Reports: pure exporters from a [`Record`](crate::record::Record) to text.

pub mod calibration;
pub mod chart;
pub mod difference;
pub mod finding;
pub mod markdown;
pub mod numbers;
pub mod repeat;
pub mod repeatability;
pub mod stacks;
pub mod terminal;

mod against;
mod changes;
mod checks;
mod common_rates;
mod guards;
mod loads;
mod objections;
mod speed;
mod standing;
mod svg;
mod times;
mod validation;
