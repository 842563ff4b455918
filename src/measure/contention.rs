//! Contention on the whole machine within a window: pressure, stolen time, and the TCP events that the kernel counts for
//! all sockets of a network namespace.
//!
//! None of this belongs to one component. It includes other programs and lab's own driver, so it shows whether to trust a
//! round, not what a stack costs. What a kernel does not report is `None`, never 0.

use std::fs;
use std::time::Instant;

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contention {
    /// The time between the two readings. They are taken when the driver reports that its window opens and closes, so on a
    /// busy machine it differs from the window.
    pub over_us: u64,
    /// Time in which at least one runnable task waited for a CPU (`/proc/pressure/cpu`, `some`).
    pub cpu_pressure_us: Option<u64>,
    /// The same for memory.
    pub memory_pressure_us: Option<u64>,
    /// The same for input and output.
    pub io_pressure_us: Option<u64>,
    /// CPU time that the hypervisor gave to other machines while tasks of this one were runnable, summed over all CPUs
    /// (`/proc/stat`, `steal`).
    pub stolen_us: Option<u64>,
    /// Handshakes completed by any listening socket of the network namespace (`Tcp: PassiveOpens`).
    pub accepted_connections: Option<u64>,
    /// Handshakes refused for a full accept queue (`TcpExt: ListenOverflows`).
    pub accept_queue_overflows: Option<u64>,
    /// Handshakes dropped by any listening socket for any reason, overflows included (`TcpExt: ListenDrops`).
    pub accept_queue_drops: Option<u64>,
}

impl Contention {
    /// The larger of each value, for machines that are read together.
    #[must_use]
    pub fn max(self, other: Contention) -> Contention {
        Contention {
            over_us: self.over_us.max(other.over_us),
            cpu_pressure_us: self.cpu_pressure_us.max(other.cpu_pressure_us),
            memory_pressure_us: self.memory_pressure_us.max(other.memory_pressure_us),
            io_pressure_us: self.io_pressure_us.max(other.io_pressure_us),
            stolen_us: self.stolen_us.max(other.stolen_us),
            accepted_connections: self.accepted_connections.max(other.accepted_connections),
            accept_queue_overflows: self.accept_queue_overflows.max(other.accept_queue_overflows),
            accept_queue_drops: self.accept_queue_drops.max(other.accept_queue_drops),
        }
    }
}

/// A reading of the counters, which are monotonic.
#[derive(Debug, Clone, Copy)]
pub struct Reading {
    at: Instant,
    counters: Contention,
}

impl Reading {
    #[must_use]
    pub fn now() -> Reading {
        let text = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let netstat = text("/proc/net/netstat");
        let us_per_tick = 1_000_000 / rustix::param::clock_ticks_per_second().max(1);
        let counters = Contention {
            over_us: 0,
            cpu_pressure_us: pressure_us(&text("/proc/pressure/cpu")),
            memory_pressure_us: pressure_us(&text("/proc/pressure/memory")),
            io_pressure_us: pressure_us(&text("/proc/pressure/io")),
            stolen_us: stolen_ticks(&text("/proc/stat")).map(|ticks| ticks * us_per_tick),
            accepted_connections: counter(&text("/proc/net/snmp"), "Tcp:", "PassiveOpens"),
            accept_queue_overflows: counter(&netstat, "TcpExt:", "ListenOverflows"),
            accept_queue_drops: counter(&netstat, "TcpExt:", "ListenDrops"),
        };
        Reading { at: Instant::now(), counters }
    }

    /// The contention between `earlier` and this reading.
    #[must_use]
    pub fn since(self, earlier: Reading) -> Contention {
        let (now, then) = (self.counters, earlier.counters);
        let grown = |now: Option<u64>, then: Option<u64>| Some(now?.saturating_sub(then?));
        Contention {
            over_us: u64::try_from((self.at - earlier.at).as_micros()).unwrap_or(u64::MAX),
            cpu_pressure_us: grown(now.cpu_pressure_us, then.cpu_pressure_us),
            memory_pressure_us: grown(now.memory_pressure_us, then.memory_pressure_us),
            io_pressure_us: grown(now.io_pressure_us, then.io_pressure_us),
            stolen_us: grown(now.stolen_us, then.stolen_us),
            accepted_connections: grown(now.accepted_connections, then.accepted_connections),
            accept_queue_overflows: grown(now.accept_queue_overflows, then.accept_queue_overflows),
            accept_queue_drops: grown(now.accept_queue_drops, then.accept_queue_drops),
        }
    }
}

/// `total` of the line `some` of a pressure file (Documentation/accounting/psi.rst).
fn pressure_us(text: &str) -> Option<u64> {
    let some = text.lines().find(|line| line.starts_with("some "))?;
    some.split_ascii_whitespace().find_map(|word| word.strip_prefix("total="))?.parse().ok()
}

/// The eighth number of the line `cpu` of `/proc/stat` (proc(5)).
fn stolen_ticks(text: &str) -> Option<u64> {
    let cpu = text.lines().find_map(|line| line.strip_prefix("cpu "))?;
    cpu.split_ascii_whitespace().nth(7)?.parse().ok()
}

/// A counter of `/proc/net/snmp` or `netstat`: each group is a line of names, then a line of numbers.
fn counter(text: &str, group: &str, name: &str) -> Option<u64> {
    let mut lines = text.lines().filter_map(|line| line.strip_prefix(group));
    let (names, values) = (lines.next()?, lines.next()?);
    let index = names.split_ascii_whitespace().position(|known| known == name)?;
    values.split_ascii_whitespace().nth(index)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn pressure_and_stolen_time_are_read_from_their_lines() {
        let pressure = "some avg10=1.00 avg60=2.00 avg300=3.00 total=854450573\nfull avg10=0.00 total=7\n";
        assert_eq!(pressure_us(pressure), Some(854_450_573));
        assert_eq!(pressure_us(""), None);
        assert_eq!(stolen_ticks("cpu  10 20 30 40 50 60 70 80 90 100\ncpu0 1 2 3 4 5 6 7 8 9 10\n"), Some(80));
        assert_eq!(stolen_ticks("cpu  10 20 30\n"), None, "a kernel before 2.6.11");
    }

    #[test]
    fn counters_are_found_by_name() {
        let text = "Ip: Forwarding\nIp: 1\nTcp: RtoMin ActiveOpens PassiveOpens\nTcp: 200 -1 42\n";
        assert_eq!(counter(text, "Tcp:", "PassiveOpens"), Some(42));
        assert_eq!(counter(text, "Tcp:", "ActiveOpens"), None, "not a count");
        assert_eq!(counter(text, "TcpExt:", "ListenDrops"), None);
    }

    #[test]
    fn missing_counters_stay_unknown() {
        let at = Instant::now();
        let then = Contention { stolen_us: Some(10), cpu_pressure_us: Some(5), ..Contention::default() };
        let now = Contention { stolen_us: Some(25), ..Contention::default() };
        let later = Reading { at: at + Duration::from_millis(3), counters: now };
        let between = later.since(Reading { at, counters: then });
        assert_eq!(between.over_us, 3000);
        assert_eq!((between.stolen_us, between.cpu_pressure_us, between.io_pressure_us), (Some(15), None, None));
    }

    #[test]
    fn accepted_connection_is_counted() {
        let before = Reading::now();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let _client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        listener.accept().unwrap();
        let counted = Reading::now().since(before);
        assert!(counted.accepted_connections.is_none_or(|count| count >= 1), "{counted:?}");
    }
}
