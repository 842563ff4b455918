//! The loops that send requests, and the process they run in.
//!
//! `run` is the whole life of a driver process. lab's own loops, `open` and `closed`, run on `threads`; `goose`
//! simulates users, and `external` runs wrk, httperf and h2load.

mod barrier;
mod closed;
mod cpu_usage;
mod error;
mod events;
pub mod external;
mod goose;
mod open;
mod process;
mod threads;

pub use error::DriveError;
pub use process::run;
