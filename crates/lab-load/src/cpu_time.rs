//! CPU time of a driver, in user mode and in the kernel: getrusage(2).

use std::io;
use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;
use serde::{Deserialize, Serialize};

/// CPU time, of all threads of a process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CpuTime {
    /// In user mode.
    #[serde(rename = "user_us", with = "crate::protocol::as_micros")]
    pub user: Duration,
    /// In the kernel.
    #[serde(rename = "system_us", with = "crate::protocol::as_micros")]
    pub system: Duration,
}

impl CpuTime {
    /// Of this process, ended threads included. The two parts are told apart by clock ticks; their sum is exact.
    ///
    /// # Errors
    /// None in practice.
    pub(super) fn of_process() -> io::Result<CpuTime> {
        CpuTime::of(UsageWho::RUSAGE_SELF)
    }

    /// Of the children that ended and were waited for.
    ///
    /// # Errors
    /// None in practice.
    pub(super) fn of_children() -> io::Result<CpuTime> {
        CpuTime::of(UsageWho::RUSAGE_CHILDREN)
    }

    fn of(who: UsageWho) -> io::Result<CpuTime> {
        let usage = getrusage(who)?;
        Ok(CpuTime { user: duration(usage.user_time()), system: duration(usage.system_time()) })
    }

    /// Both together.
    #[must_use]
    pub fn total(self) -> Duration {
        self.user + self.system
    }

    /// What was used between `earlier` and this.
    pub(super) fn since(self, earlier: CpuTime) -> CpuTime {
        CpuTime { user: self.user.saturating_sub(earlier.user), system: self.system.saturating_sub(earlier.system) }
    }
}

fn duration(time: TimeVal) -> Duration {
    let (s, us) = (u64::try_from(time.tv_sec()).unwrap_or(0), u64::try_from(time.tv_usec()).unwrap_or(0));
    Duration::from_secs(s) + Duration::from_micros(us)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn what_this_process_uses_is_told_by_kind() {
        let before = CpuTime::of_process().unwrap();
        let since = || CpuTime::of_process().unwrap().since(before);
        let began = Instant::now();
        // Work of both kinds, until clock ticks have seen both.
        while (since().user.is_zero() || since().system.is_zero()) && began.elapsed() < Duration::from_secs(20) {
            std::hint::black_box((0..10_000_u64).fold(0, |x: u64, i| x.wrapping_mul(31).wrapping_add(i)));
            _ = std::hint::black_box(std::fs::read("/proc/self/stat"));
        }
        let used = since();
        assert!(!used.user.is_zero() && !used.system.is_zero(), "{used:?}");
        assert_eq!(used.total(), used.user + used.system);
    }
}
