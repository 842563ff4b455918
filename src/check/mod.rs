//! Checks: requests, observations of the responses, and expectations.
//!
//! [`probe`] sends a request and observes the response; [`session`] has the state that the requests of a sequence share, and
//! [`redirect`] the request that follows a redirect; [`evaluate`] compares an observation with an expectation, without
//! any network; [`diff`] compares two stacks' observations of one request.

pub mod cache_status;
pub mod conditional;
pub mod diff;
pub mod evaluate;
pub mod normalize;
pub mod observed;
pub mod peer_certificate;
pub mod probe;
mod probe_error;
mod raw_response;
pub mod redact;
pub mod varying;
pub mod volatile;
mod client_socket;
mod client_tls;
mod content_coding;
mod http2;
mod json;
pub mod redirect;
mod request_body;
pub mod session;
mod slow;
mod words;
