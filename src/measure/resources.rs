//! The resource use of a component, as the difference of two readings of `/proc`.
//!
//! Pure: [`procfs`](super::procfs) reads, this module subtracts. A component is a process and all its descendants, with
//! their threads. Workers may die and be replaced between two readings, but no difference is ever negative.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The use of all processes and threads of one component within a window.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceUse {
    /// Time on a CPU, from the scheduler's nanosecond counter.
    pub cpu_us: u64,
    /// In user mode, in clock ticks: steps of 10 ms on most kernels.
    pub cpu_user_us: u64,
    /// In the kernel, in clock ticks.
    pub cpu_system_us: u64,
    pub voluntary_context_switches: u64,
    pub involuntary_context_switches: u64,
}

/// One reading of a whole component.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sample {
    pub processes: BTreeMap<ProcessKey, ProcessSample>,
}

/// Identifies a process even if its id is reused later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProcessKey {
    pub pid: u32,
    /// The start time, in clock ticks since boot (`/proc/PID/stat`, field 22).
    pub started_ticks: u64,
}

/// One reading of one process.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProcessSample {
    /// CPU time in user mode of all threads, ended ones included.
    pub user_us: u64,
    /// CPU time in the kernel of all threads, ended ones included.
    pub system_us: u64,
    /// User-mode CPU time of all descendants that ended and were waited for.
    pub children_user_us: u64,
    /// Kernel CPU time of the same.
    pub children_system_us: u64,
    /// The living threads, by thread id.
    pub threads: BTreeMap<u32, ThreadSample>,
}

/// One reading of one thread.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ThreadSample {
    /// Time on a CPU, from the scheduler's counter.
    pub cpu_ns: u64,
    pub voluntary_context_switches: u64,
    pub involuntary_context_switches: u64,
}

/// User and system time are each rounded down to whole ticks, so their sum may grow by almost two ticks more than the
/// time that passed. The longest tick is 10 ms.
const TICK_ERROR_US: u64 = 20_000;

impl Sample {
    /// The component's use between `earlier` and this reading.
    ///
    /// Processes and threads that started in between count in full. Those that ended count as far as the kernel keeps
    /// their time: a thread's in its process's ticks, a waited-for child's in its parent's. Their context switches after
    /// the last reading are lost.
    #[must_use]
    pub fn since(&self, earlier: &Sample) -> ResourceUse {
        let mut used = ResourceUse::default();
        let mut children_user_us = 0;
        let mut children_system_us = 0;
        for (key, now) in &self.processes {
            let nothing = ProcessSample::default();
            let before = earlier.processes.get(key).unwrap_or(&nothing);
            let user_us = now.user_us.saturating_sub(before.user_us);
            let system_us = now.system_us.saturating_sub(before.system_us);
            let by_threads = now.threads_since(before);
            // Threads that started and ended in between appear only in the ticks.
            let by_ticks = (user_us + system_us).saturating_sub(TICK_ERROR_US);
            used.cpu_us += (by_threads.cpu_ns / 1000).max(by_ticks);
            used.cpu_user_us += user_us;
            used.cpu_system_us += system_us;
            used.voluntary_context_switches += by_threads.voluntary_context_switches;
            used.involuntary_context_switches += by_threads.involuntary_context_switches;
            children_user_us += now.children_user_us.saturating_sub(before.children_user_us);
            children_system_us += now.children_system_us.saturating_sub(before.children_system_us);
        }
        // The parent's counter includes the whole life of a child that ended; the part before the window does not
        // belong to it.
        for (key, gone) in &earlier.processes {
            if !self.processes.contains_key(key) {
                children_user_us = children_user_us.saturating_sub(gone.user_us + gone.children_user_us);
                children_system_us = children_system_us.saturating_sub(gone.system_us + gone.children_system_us);
            }
        }
        used.cpu_us += children_user_us + children_system_us;
        used.cpu_user_us += children_user_us;
        used.cpu_system_us += children_system_us;
        used
    }
}

impl ProcessSample {
    fn threads_since(&self, earlier: &ProcessSample) -> ThreadSample {
        let mut sum = ThreadSample::default();
        for (tid, now) in &self.threads {
            let before = earlier.threads.get(tid).copied().unwrap_or_default();
            sum.cpu_ns += now.cpu_ns.saturating_sub(before.cpu_ns);
            sum.voluntary_context_switches +=
                now.voluntary_context_switches.saturating_sub(before.voluntary_context_switches);
            sum.involuntary_context_switches +=
                now.involuntary_context_switches.saturating_sub(before.involuntary_context_switches);
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(pid: u32, user_us: u64, system_us: u64, threads: &[(u32, u64)]) -> (ProcessKey, ProcessSample) {
        let threads = threads
            .iter()
            .map(|&(tid, cpu_ns)| {
                let switches = ThreadSample {
                    cpu_ns,
                    voluntary_context_switches: cpu_ns / 1_000_000,
                    involuntary_context_switches: cpu_ns / 10_000_000,
                };
                (tid, switches)
            })
            .collect();
        let sample = ProcessSample { user_us, system_us, threads, ..ProcessSample::default() };
        (ProcessKey { pid, started_ticks: 5 }, sample)
    }

    fn sample(processes: impl IntoIterator<Item = (ProcessKey, ProcessSample)>) -> Sample {
        Sample { processes: processes.into_iter().collect() }
    }

    #[test]
    fn threads_and_processes_are_summed() {
        let before = sample([process(1, 10_000, 0, &[(1, 5_000_000), (2, 5_000_000)]), process(9, 0, 0, &[(9, 0)])]);
        let after = sample([
            process(1, 30_000, 10_000, &[(1, 25_000_000), (2, 15_000_000)]),
            process(9, 10_000, 0, &[(9, 10_000_000)]),
        ]);
        assert_eq!(
            after.since(&before),
            ResourceUse {
                cpu_us: 40_000,
                cpu_user_us: 30_000,
                cpu_system_us: 10_000,
                voluntary_context_switches: 40,
                involuntary_context_switches: 4,
            }
        );
    }

    #[test]
    fn new_threads_and_processes_count_in_full() {
        let before = sample([process(1, 0, 0, &[(1, 0)])]);
        let after = sample([process(1, 0, 0, &[(1, 1_000_000), (2, 2_000_000)]), process(3, 0, 0, &[(3, 4_000_000)])]);
        assert_eq!(after.since(&before).cpu_us, 7_000);
    }

    #[test]
    fn ended_threads_count_by_ticks() {
        let before = sample([process(1, 100_000, 0, &[(1, 50_000_000), (2, 50_000_000)])]);
        let after = sample([process(1, 400_000, 0, &[(1, 60_000_000)])]);
        let used = after.since(&before);
        assert_eq!(used.cpu_user_us, 300_000);
        assert_eq!(used.cpu_us, 280_000, "the ticks, less what they may be rounded up by");
        assert_eq!(used.voluntary_context_switches, 10, "of the thread that is left");
    }

    #[test]
    fn dead_worker_counts_through_its_parent() {
        let (parent, mut parent_after) = process(1, 0, 0, &[(1, 0)]);
        parent_after.children_user_us = 900_000;
        parent_after.children_system_us = 100_000;
        let before = sample([process(1, 0, 0, &[(1, 0)]), process(2, 600_000, 50_000, &[(2, 650_000_000)])]);
        let after = sample([(parent, parent_after)]);
        let used = after.since(&before);
        assert_eq!((used.cpu_us, used.cpu_user_us, used.cpu_system_us), (350_000, 300_000, 50_000));
    }

    #[test]
    fn unreaped_worker_makes_nothing_negative() {
        let before = sample([process(1, 0, 0, &[(1, 0)]), process(2, 600_000, 0, &[(2, 600_000_000)])]);
        let after = sample([process(1, 0, 0, &[(1, 3_000_000)])]);
        assert_eq!(after.since(&before).cpu_us, 3_000);
    }

    #[test]
    fn reused_pid_is_another_process() {
        let (mut key, old) = process(7, 500_000, 0, &[(7, 500_000_000)]);
        let before = sample([(key, old)]);
        key.started_ticks = 99;
        let (_, young) = process(7, 0, 0, &[(7, 2_000_000)]);
        assert_eq!(sample([(key, young)]).since(&before).cpu_us, 2_000);
    }

    #[test]
    fn decreasing_counters_count_as_zero() {
        let before = sample([process(1, 900_000, 900_000, &[(1, 900_000_000)])]);
        let after = sample([process(1, 0, 0, &[(1, 0)])]);
        assert_eq!(after.since(&before), ResourceUse::default());
    }
}
