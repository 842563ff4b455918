//! What a component holds while it runs: memory, descriptors, processes, connections. Levels, not differences: a
//! window has their curve and their peaks.
//!
//! Pure: [`procfs`](super::procfs) and [`sockets`](super::sockets) read.

use serde::{Deserialize, Serialize};

/// What a component held at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Level {
    /// When, counted from the opening of the window.
    pub at_us: u64,
    /// Resident set sizes of its processes, summed: shared pages count once per process.
    pub rss_bytes: u64,
    /// Proportional set sizes, summed: shared pages are divided among those who share them. `None` where the kernel
    /// does not tell.
    pub pss_bytes: Option<u64>,
    /// Open file descriptors of its processes.
    pub open_fds: u64,
    /// Its processes.
    pub processes: u64,
    /// Their threads.
    pub threads: u64,
    /// Established connections to the address it listens on. `None` where the kernel does not tell.
    pub connections: Option<u64>,
    /// Connections that it has not accepted yet. `None` where the kernel does not tell.
    pub accept_queue: Option<u64>,
}

/// What a component held in memory at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    /// As [`Level::rss_bytes`].
    pub rss_bytes: u64,
    /// As [`Level::pss_bytes`].
    pub pss_bytes: Option<u64>,
}

impl Memory {
    /// Shared pages divided among those who share them, where the kernel tells; counted once per process, where it does
    /// not.
    #[must_use]
    pub fn bytes(self) -> u64 {
        self.pss_bytes.unwrap_or(self.rss_bytes)
    }
}

impl Level {
    /// The memory of it.
    #[must_use]
    pub fn memory(&self) -> Memory {
        Memory { rss_bytes: self.rss_bytes, pss_bytes: self.pss_bytes }
    }
}

/// The largest of each over a window.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peaks {
    /// Of [`Level::rss_bytes`].
    pub peak_rss_bytes: u64,
    /// Of [`Level::pss_bytes`].
    pub peak_pss_bytes: Option<u64>,
    /// Of [`Level::open_fds`].
    pub peak_open_fds: u64,
    /// Of [`Level::processes`].
    pub peak_processes: u64,
    /// Of [`Level::threads`].
    pub peak_threads: u64,
    /// Of [`Level::connections`].
    pub peak_connections: Option<u64>,
    /// Of [`Level::accept_queue`].
    pub peak_accept_queue: Option<u64>,
}

impl Peaks {
    /// The most memory.
    #[must_use]
    pub fn memory(self) -> Memory {
        Memory { rss_bytes: self.peak_rss_bytes, pss_bytes: self.peak_pss_bytes }
    }

    /// Of a window's curve; nothing but zeros for none.
    #[must_use]
    pub fn of(curve: &[Level]) -> Peaks {
        let largest = |level: fn(&Level) -> u64| curve.iter().map(level).max().unwrap_or(0);
        let largest_known = |level: fn(&Level) -> Option<u64>| curve.iter().filter_map(level).max();
        Peaks {
            peak_rss_bytes: largest(|level| level.rss_bytes),
            peak_pss_bytes: largest_known(|level| level.pss_bytes),
            peak_open_fds: largest(|level| level.open_fds),
            peak_processes: largest(|level| level.processes),
            peak_threads: largest(|level| level.threads),
            peak_connections: largest_known(|level| level.connections),
            peak_accept_queue: largest_known(|level| level.accept_queue),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peaks_are_each_the_largest_on_its_own() {
        let level = |rss_bytes, pss_bytes, open_fds| Level { rss_bytes, pss_bytes, open_fds, ..Level::default() };
        let peaks = Peaks::of(&[level(3, Some(2), 9), level(9, None, 4), level(4, Some(3), 4)]);
        assert_eq!((peaks.peak_rss_bytes, peaks.peak_pss_bytes, peaks.peak_open_fds), (9, Some(3), 9));
        assert_eq!(peaks.peak_connections, None, "unknown is not none");
        assert_eq!(Peaks::of(&[]), Peaks::default());
    }
}
