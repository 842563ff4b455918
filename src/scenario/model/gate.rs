//! What a change is: the metrics that are compared, and their margins.

use std::collections::BTreeMap;

/// What a change is, and how much worse it must be to be worth failing for.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Gate {
    /// What a ratio to the reference stack is compared with.
    pub against: Against,
    /// Margin by metric, as a fraction (`"5%"` is 0.05); a metric without one is not gated.
    pub margins: BTreeMap<Metric, f64>,
}

/// What a ratio to the reference stack is compared with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Against {
    /// With the same ratio in the committed snapshot: has the stack changed since?
    #[default]
    Snapshot,
    /// With the reference stack itself, a ratio of one: is the stack worse than the other?
    Reference,
}

impl Against {
    /// Everything there is.
    pub const ALL: [Against; 2] = [Against::Snapshot, Against::Reference];

    /// The name in scenario files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Against::Snapshot => "snapshot",
            Against::Reference => "reference",
        }
    }
}

/// A statistical fact that can be compared and gated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Metric {
    /// Requests answered well per second of the measured window; more is better.
    Throughput,
    /// CPU time of every component per such request; less is better.
    CpuPerRequest,
    /// Median service time; less is better.
    P50,
    /// 99th percentile of the service time; less is better.
    P99,
}

impl Metric {
    /// Every metric, in the order reports show them.
    pub const ALL: [Metric; 4] = [Metric::Throughput, Metric::CpuPerRequest, Metric::P50, Metric::P99];

    /// The name in scenario files and records.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Metric::Throughput => "throughput",
            Metric::CpuPerRequest => "cpu_per_request",
            Metric::P50 => "p50",
            Metric::P99 => "p99",
        }
    }

    /// Whether a larger value is better.
    #[must_use]
    pub fn more_is_better(self) -> bool {
        matches!(self, Metric::Throughput)
    }
}
