//! What a component used of the machine, from two readings of `/proc`.
//!
//! Pure: [`procfs`](super::procfs) reads, this subtracts. A component is a process and everything it started, with
//! all their threads; workers may die and be replaced between two readings, and no difference is ever negative.

use std::collections::BTreeMap;

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
    /// Times a thread gave the CPU up by itself.
    pub voluntary_context_switches: u64,
    /// Times the kernel took it away.
    pub involuntary_context_switches: u64,
}

/// One reading of a whole component.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sample {
    /// Its processes.
    pub processes: BTreeMap<ProcessKey, ProcessSample>,
}

/// A process, told apart from a later one that was given the same number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProcessKey {
    /// The process number.
    pub pid: u32,
    /// When it started, in clock ticks since boot (`/proc/PID/stat`, field 22).
    pub started_ticks: u64,
}

/// One reading of one process.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProcessSample {
    /// CPU time in user mode of all its threads, ended ones included.
    pub user_us: u64,
    /// CPU time in the kernel of all its threads, ended ones included.
    pub system_us: u64,
    /// User-mode CPU time of the children that ended and were waited for, and of theirs.
    pub children_user_us: u64,
    /// Kernel CPU time of the same.
    pub children_system_us: u64,
    /// Its living threads, by thread number.
    pub threads: BTreeMap<u32, ThreadSample>,
}

/// One reading of one thread.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ThreadSample {
    /// Time on a CPU, in nanoseconds, by the scheduler's account.
    pub cpu_ns: u64,
    /// Times it gave the CPU up by itself.
    pub voluntary_context_switches: u64,
    /// Times the kernel took it away.
    pub involuntary_context_switches: u64,
}

/// User and system time are each cut down to whole ticks, so their sum may grow by almost two ticks more than the
/// time that passed; a tick is 10 ms where it is longest.
const TICK_ERROR_US: u64 = 20_000;

impl Sample {
    /// What the component used between `earlier` and this reading.
    ///
    /// Processes and threads that began in between count in full. Of those that ended, what is known counts: a
    /// thread's time stays in its process's tick account, a waited-for child's in its parent's; the context switches
    /// after the last reading are lost with them.
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
            // Threads that came and went are only in the ticks.
            let by_ticks = (user_us + system_us).saturating_sub(TICK_ERROR_US);
            used.cpu_us += (by_threads.cpu_ns / 1000).max(by_ticks);
            used.cpu_user_us += user_us;
            used.cpu_system_us += system_us;
            used.voluntary_context_switches += by_threads.voluntary_context_switches;
            used.involuntary_context_switches += by_threads.involuntary_context_switches;
            children_user_us += now.children_user_us.saturating_sub(before.children_user_us);
            children_system_us += now.children_system_us.saturating_sub(before.children_system_us);
        }
        // A child that ended brought its whole life into its parent's account; what it had used before does not
        // belong to the window.
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
    fn what_began_in_between_counts_in_full() {
        let before = sample([process(1, 0, 0, &[(1, 0)])]);
        let after = sample([process(1, 0, 0, &[(1, 1_000_000), (2, 2_000_000)]), process(3, 0, 0, &[(3, 4_000_000)])]);
        assert_eq!(after.since(&before).cpu_us, 7_000);
    }

    #[test]
    fn a_thread_that_ended_stays_in_the_tick_account() {
        let before = sample([process(1, 100_000, 0, &[(1, 50_000_000), (2, 50_000_000)])]);
        let after = sample([process(1, 400_000, 0, &[(1, 60_000_000)])]);
        let used = after.since(&before);
        assert_eq!(used.cpu_user_us, 300_000);
        assert_eq!(used.cpu_us, 280_000, "the ticks, less what they may be rounded up by");
        assert_eq!(used.voluntary_context_switches, 10, "of the thread that is left");
    }

    #[test]
    fn a_worker_that_died_counts_through_its_parent_and_only_for_the_window() {
        let (parent, mut parent_after) = process(1, 0, 0, &[(1, 0)]);
        parent_after.children_user_us = 900_000;
        parent_after.children_system_us = 100_000;
        let before = sample([process(1, 0, 0, &[(1, 0)]), process(2, 600_000, 50_000, &[(2, 650_000_000)])]);
        let after = sample([(parent, parent_after)]);
        let used = after.since(&before);
        assert_eq!((used.cpu_us, used.cpu_user_us, used.cpu_system_us), (350_000, 300_000, 50_000));
    }

    #[test]
    fn a_worker_that_nobody_waited_for_makes_nothing_negative() {
        let before = sample([process(1, 0, 0, &[(1, 0)]), process(2, 600_000, 0, &[(2, 600_000_000)])]);
        let after = sample([process(1, 0, 0, &[(1, 3_000_000)])]);
        assert_eq!(after.since(&before).cpu_us, 3_000);
    }

    #[test]
    fn a_reused_process_number_is_another_process() {
        let (mut key, old) = process(7, 500_000, 0, &[(7, 500_000_000)]);
        let before = sample([(key, old)]);
        key.started_ticks = 99;
        let (_, young) = process(7, 0, 0, &[(7, 2_000_000)]);
        assert_eq!(sample([(key, young)]).since(&before).cpu_us, 2_000);
    }

    #[test]
    fn numbers_that_went_backwards_are_nothing() {
        let before = sample([process(1, 900_000, 900_000, &[(1, 900_000_000)])]);
        let after = sample([process(1, 0, 0, &[(1, 0)])]);
        assert_eq!(after.since(&before), ResourceUse::default());
    }
}
