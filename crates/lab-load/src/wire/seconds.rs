//! The seconds of a window, one row each.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// One second of a window.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecondRow {
    /// Requests scheduled in this second; `None` in a closed loop.
    pub offered: Option<u64>,
    /// Good responses that ended in it.
    pub answered: u64,
    /// Errors that ended in it.
    pub failed: u64,
    /// Times of the requests that ended in it: from the scheduled instant in an open loop, from the send in a closed
    /// one. `None` if nothing ended.
    pub times_us: Option<SecondTimes>,
}

/// The times of one second, in microseconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecondTimes {
    /// Median.
    pub p50: u64,
    /// 99th percentile.
    pub p99: u64,
    /// Largest.
    pub max: u64,
}

/// The number of rows of a window; a partial second has a row too.
#[must_use]
pub fn number_of_seconds(window: Duration) -> usize {
    usize::try_from((window + Duration::from_nanos(999_999_999)).as_secs()).unwrap_or(usize::MAX)
}
