//! Checks: requests, observations of the responses, and expectations.
//!
//! [`probe`] sends a request and observes the response; [`evaluate`] compares an observation with an expectation, without
//! any network; [`diff`] compares two stacks' observations of one request.

pub mod conditional;
pub mod diff;
pub mod evaluate;
pub mod normalize;
pub mod observed;
pub mod probe;
pub mod redact;
pub mod varying;
pub mod volatile;
mod client_tls;
mod slow;
