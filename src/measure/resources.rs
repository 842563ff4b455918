//! What a component used of the machine, read from `/proc`.

use serde::{Deserialize, Serialize};

/// What every process and thread of one component used within a window.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceUse {
    /// Time on a CPU, from the scheduler's own nanosecond account.
    pub cpu_us: u64,
    /// … of it in user mode (clock ticks: 10 ms steps on most kernels).
    pub cpu_user_us: u64,
    /// … of it in the kernel (clock ticks).
    pub cpu_system_us: u64,
    /// The largest sum of resident set sizes seen; shared pages count once per process.
    pub peak_rss_bytes: u64,
    /// Times a thread gave the CPU up by itself.
    pub voluntary_context_switches: u64,
    /// Times the kernel took it away.
    pub involuntary_context_switches: u64,
}
