//! Parses the counter files of control groups. Pure.

use super::{CpuUsage, Throttling};

/// The number after `key` in a file of lines `key number`.
fn value(text: &str, key: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')?.trim().parse().ok())
}

/// `cpu.stat` of version 2: microseconds.
pub(super) fn cpu_stat_v2(text: &str) -> Option<CpuUsage> {
    Some(CpuUsage {
        usage_us: value(text, "usage_usec")?,
        user_us: value(text, "user_usec")?,
        system_us: value(text, "system_usec")?,
    })
}

/// `cpu.stat` of version 2; `None` where the group has no `cpu` controller.
pub(super) fn throttling_v2(text: &str) -> Option<Throttling> {
    Some(Throttling { throttled_periods: value(text, "nr_throttled")?, throttled_us: value(text, "throttled_usec")? })
}

/// `cpu.stat` of version 1: nanoseconds.
pub(super) fn throttling_v1(text: &str) -> Option<Throttling> {
    Some(Throttling {
        throttled_periods: value(text, "nr_throttled")?,
        throttled_us: value(text, "throttled_time")? / 1000,
    })
}

/// `cpuacct.stat` of version 1, in clock ticks. Returns the time in user mode and in the kernel in microseconds.
pub(super) fn cpuacct_stat(text: &str, ticks_per_s: u64) -> Option<(u64, u64)> {
    let us = |key| Some(value(text, key)?.saturating_mul(1_000_000) / ticks_per_s.max(1));
    Some((us("user")?, us("system")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_2_counts_in_microseconds() {
        let text = "usage_usec 9000\nuser_usec 6000\nsystem_usec 3000\nnr_periods 10\nnr_throttled 4\n\
                    throttled_usec 700\nnr_bursts 0\n";
        assert_eq!(cpu_stat_v2(text), Some(CpuUsage { usage_us: 9000, user_us: 6000, system_us: 3000 }));
        assert_eq!(throttling_v2(text), Some(Throttling { throttled_periods: 4, throttled_us: 700 }));
        let without_controller = "usage_usec 9000\nuser_usec 6000\nsystem_usec 3000\n";
        assert!(cpu_stat_v2(without_controller).is_some());
        assert_eq!(throttling_v2(without_controller), None);
        assert_eq!(cpu_stat_v2("usage_usec many\n"), None);
    }

    #[test]
    fn version_1_counts_in_ticks_and_nanoseconds() {
        assert_eq!(cpuacct_stat("user 150\nsystem 25\n", 100), Some((1_500_000, 250_000)));
        assert_eq!(cpuacct_stat("user 150\n", 100), None);
        let text = "nr_periods 10\nnr_throttled 4\nthrottled_time 700500\n";
        assert_eq!(throttling_v1(text), Some(Throttling { throttled_periods: 4, throttled_us: 700 }));
    }
}
