//! Loads: drivers, and the ledger they fill.

pub mod ledger;
