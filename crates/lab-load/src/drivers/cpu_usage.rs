//! Reads the driver's CPU time: getrusage(2).

use std::io;
use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;

use crate::wire::CpuTime;

/// CPU time of this process, ended threads included. The kernel splits it into user and system time by clock ticks; the
/// sum is exact.
///
/// # Errors
/// None in practice.
pub(super) fn of_process() -> io::Result<CpuTime> {
    cpu_time(UsageWho::RUSAGE_SELF)
}

/// CPU time of the children that have ended and been waited for.
///
/// # Errors
/// None in practice.
pub(super) fn of_children() -> io::Result<CpuTime> {
    cpu_time(UsageWho::RUSAGE_CHILDREN)
}

fn cpu_time(who: UsageWho) -> io::Result<CpuTime> {
    let usage = getrusage(who)?;
    Ok(CpuTime { user: duration(usage.user_time()), system: duration(usage.system_time()) })
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
    fn cpu_time_is_split_into_user_and_system() {
        let before = of_process().unwrap();
        let since = || of_process().unwrap().since(before);
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
