//! What a component holds while it runs: memory, descriptors, processes, connections. These are gauges, not counters: a
//! window has their curve and their peaks.
//!
//! Pure: [`procfs`](super::procfs) and [`sockets`](super::sockets) do the reading.

use serde::{Deserialize, Serialize};

/// What a component held at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Footprint {
    /// Time since the window opened.
    pub at_us: u64,
    /// Sum of the processes' resident set sizes: shared pages count once per process.
    pub rss_bytes: u64,
    /// Sum of the processes' proportional set sizes: shared pages are divided among the processes that share them. `None`
    /// where the kernel does not report it.
    pub pss_bytes: Option<u64>,
    pub open_fds: u64,
    pub processes: u64,
    pub threads: u64,
    /// Established connections to the component's address. `None` where the kernel does not report them.
    pub connections: Option<u64>,
    /// Connections that the component has not accepted yet. `None` where the kernel does not report them.
    pub accept_queue: Option<u64>,
}

/// The memory of a component at one moment, as in [`Footprint`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    pub rss_bytes: u64,
    pub pss_bytes: Option<u64>,
}

impl Memory {
    /// The proportional set size where the kernel reports it, otherwise the resident set size.
    #[must_use]
    pub fn bytes(self) -> u64 {
        self.pss_bytes.unwrap_or(self.rss_bytes)
    }
}

impl Footprint {
    #[must_use]
    pub fn memory(&self) -> Memory {
        Memory { rss_bytes: self.rss_bytes, pss_bytes: self.pss_bytes }
    }
}

/// The maximum of each value of [`Footprint`] over a window.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peaks {
    pub peak_rss_bytes: u64,
    pub peak_pss_bytes: Option<u64>,
    pub peak_open_fds: u64,
    pub peak_processes: u64,
    pub peak_threads: u64,
    pub peak_connections: Option<u64>,
    pub peak_accept_queue: Option<u64>,
}

impl Peaks {
    #[must_use]
    pub fn memory(self) -> Memory {
        Memory { rss_bytes: self.peak_rss_bytes, pss_bytes: self.peak_pss_bytes }
    }

    /// The peaks of a window's curve; the default if it is empty.
    #[must_use]
    pub fn from_curve(curve: &[Footprint]) -> Peaks {
        let max = |value: fn(&Footprint) -> u64| curve.iter().map(value).max().unwrap_or(0);
        let max_known = |value: fn(&Footprint) -> Option<u64>| curve.iter().filter_map(value).max();
        Peaks {
            peak_rss_bytes: max(|held| held.rss_bytes),
            peak_pss_bytes: max_known(|held| held.pss_bytes),
            peak_open_fds: max(|held| held.open_fds),
            peak_processes: max(|held| held.processes),
            peak_threads: max(|held| held.threads),
            peak_connections: max_known(|held| held.connections),
            peak_accept_queue: max_known(|held| held.accept_queue),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peaks_are_independent_of_each_other() {
        let held =
            |rss_bytes, pss_bytes, open_fds| Footprint { rss_bytes, pss_bytes, open_fds, ..Footprint::default() };
        let peaks = Peaks::from_curve(&[held(3, Some(2), 9), held(9, None, 4), held(4, Some(3), 4)]);
        assert_eq!((peaks.peak_rss_bytes, peaks.peak_pss_bytes, peaks.peak_open_fds), (9, Some(3), 9));
        assert_eq!(peaks.peak_connections, None, "unknown is not none");
        assert_eq!(Peaks::from_curve(&[]), Peaks::default());
    }
}
