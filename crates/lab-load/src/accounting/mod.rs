//! Counts each request in its window: recorders and tallies fill the ledger, the ledgers of several drivers are
//! merged, and the audit checks the result.
//!
//! Every instant is passed in; nothing here reads a clock or knows a connection.

pub mod audit;
mod finding;
mod merge;
mod outcome;
mod recorder;
mod seconds;
mod tally;
mod window;

pub use merge::{MergeError, OutcomeMerge};
pub(crate) use outcome::MAX_DETAILS;
pub use outcome::RequestOutcome;
pub use recorder::Recorder;
pub use seconds::{SecondsCounter, SecondsTable};
pub(crate) use tally::{Call, ScheduledArrival, Tally, ThreadCounts};
pub use window::Window;
