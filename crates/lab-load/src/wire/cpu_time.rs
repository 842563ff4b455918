//! CPU time of a driver, in user mode and in the kernel.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// CPU time of all threads of a process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CpuTime {
    /// In user mode.
    #[serde(rename = "user_us", with = "super::micros")]
    pub user: Duration,
    /// In the kernel.
    #[serde(rename = "system_us", with = "super::micros")]
    pub system: Duration,
}

impl CpuTime {
    /// User mode and kernel together.
    #[must_use]
    pub fn total(self) -> Duration {
        self.user + self.system
    }

    /// The CPU time used between `earlier` and this.
    pub(crate) fn since(self, earlier: CpuTime) -> CpuTime {
        CpuTime { user: self.user.saturating_sub(earlier.user), system: self.system.saturating_sub(earlier.system) }
    }
}
