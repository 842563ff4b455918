//! Loads: drivers, and the ledger they fill.

pub mod ledger;
pub mod histogram;
pub mod recorder;
pub mod exchange;
