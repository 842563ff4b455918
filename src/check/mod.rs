//! Checks: a request, what came back, what the app saw, and whether that is as expected.
//!
//! [`probe`] asks and observes; [`evaluate`] compares an observation with an expectation, field by field, and knows no
//! network; [`diff`] compares two stacks' observations of one request.

pub mod diff;
pub mod evaluate;
pub mod observed;
pub mod probe;
pub mod redact;
mod slow;
