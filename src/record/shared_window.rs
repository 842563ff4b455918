//! What the drivers of several nodes contributed to one window.

use serde::{Deserialize, Serialize};

/// A window of drivers that shared a load.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SharedWindow {
    /// In the order of their shares.
    pub drivers: Vec<DriverShare>,
    /// How far an end of a driver's window may be from the common one.
    pub uncertainty_us: u64,
}

/// The requests of one driver, per second of the window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DriverShare {
    pub node: String,
    /// Scheduled requests; `None` in a closed loop.
    pub offered_per_s: Option<f64>,
    /// Requests that it sent.
    pub sent_per_s: f64,
    /// Good responses that ended within the window.
    pub answered_per_s: f64,
    /// 99th percentile of its lag; `None` in a closed loop.
    pub lag_p99_us: Option<u64>,
    /// The share of its cores that it used.
    pub busy: f64,
}
