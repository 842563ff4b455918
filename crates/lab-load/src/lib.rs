//! Loads: drivers, and the ledger they fill.
//!
//! A driver runs in a process of its own ([`driver`]), so that it can be pinned apart from the stack and its own CPU
//! time be told; [`protocol`] is what the two processes say to each other. What counts is decided by lab's own clock
//! in [`recorder`], never by a tool's summary.

pub mod ledger;
pub mod plan;
pub mod protocol;
pub mod driver;
pub mod goose;
pub mod journey;
pub mod exchange;
pub mod cpu_time;
mod threads;
mod open;
mod closed;
mod target;
mod line;
mod connection;
mod http2;
pub mod tls;
mod pool;
mod timer;
mod tally;
pub mod external;
pub mod recorder;
pub mod seconds;
pub mod histogram;
pub mod audit;
