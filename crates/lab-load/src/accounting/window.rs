//! The measured window.

use std::time::{Duration, Instant};

/// The measured window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// The first instant that belongs to it.
    pub opens: Instant,
    /// The first instant after it.
    pub closes: Instant,
}

impl Window {
    #[must_use]
    pub fn length(self) -> Duration {
        self.closes - self.opens
    }

    #[must_use]
    pub fn contains(self, instant: Instant) -> bool {
        instant >= self.opens && instant < self.closes
    }
}
