//! Counts each request in its window: recorders and tallies fill the ledger, and the audit checks it.
//!
//! Every instant is passed in; nothing here reads a clock or knows a connection.

pub mod audit;
mod finding;
mod outcome;
mod recorder;
mod seconds;
mod tally;
mod window;

pub(crate) use outcome::MAX_DETAILS;
pub use outcome::RequestOutcome;
pub use recorder::Recorder;
pub use seconds::{SecondsCounter, SecondsTable};
pub(crate) use tally::{Call, ScheduledArrival, Tally, ThreadCounts};
pub use window::Window;
