//! The types that lab and its driver process exchange, and that end in records: a plan as one JSON document, then
//! events as JSON lines. One of several drivers gets its start as a second document.
//!
//! Pure: serde types and their arithmetic. Nothing here opens a file, a socket or a clock.

mod plan;
mod schedule;
mod share;
mod division;
mod start;
mod journey;
mod json_query;
mod rule;
mod events;
mod ledger;
mod error_class;
mod seconds;
mod cpu_time;
mod protocol_error;
pub mod histogram;
mod micros;

pub use cpu_time::CpuTime;
pub use division::DivisionError;
pub use error_class::ErrorClass;
pub use events::{DriveOutcome, DriverEvent, EventDecoder, StepOutcome, WindowEnds};
pub use journey::{Extraction, Step, StepExpectation, StepText, TextPiece, ValueSource, Values};
pub use json_query::JsonQuery;
pub use ledger::{Ledger, OpenLedger, RateLedger, Shortfall};
pub use plan::{Arrival, DrivePlan, Http, Mode, OpenPlan, Program, TimerKind, Tls, Trust};
pub use protocol_error::ProtocolError;
pub use rule::{HeaderRule, Pattern, TextRule};
pub use schedule::{ArrivalProcess, Schedule, Stage};
pub use seconds::{SecondRow, SecondTimes, number_of_seconds};
pub use share::{NoSuchShare, Share};
pub use start::Start;
