//! The state of `limit_req` and `limit_conn`, which all workers share: how often and how many at a time each key was seen.
//!
//! Only the values of keys come in; this module knows neither requests nor the configuration.

mod connection_zone;
mod recent_map;
pub(crate) mod registry;
mod request_zone;

pub use connection_zone::{ConnectionSlot, ConnectionZone};
pub use request_zone::{RequestZone, Verdict};
