//! The gate's metrics, their margins and their baseline.

use std::collections::BTreeMap;

pub use lab_stats::decision::Correction;

#[derive(Debug, Clone, PartialEq)]
pub struct Gate {
    pub against: Against,
    pub correction: Correction,
    /// Whether margins also bound the change of a stack from its own past.
    pub uses_past: bool,
    /// Margin by metric, as a fraction (`"5%"` is 0.05); a metric without one is not gated.
    pub margins: BTreeMap<Metric, f64>,
    pub limits: Limits,
}

impl Default for Gate {
    fn default() -> Gate {
        Gate {
            against: Against::default(),
            correction: Correction::default(),
            uses_past: true,
            margins: BTreeMap::new(),
            limits: Limits::default(),
        }
    }
}

/// How many accepted sessions of this machine a stack is compared with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct PastSessions(pub usize);

impl PastSessions {
    /// The fewest that judge anything: their scatter is part of the interval, and of fewer it is hardly known.
    pub const NEEDED: usize = 8;

    #[must_use]
    pub fn suffice(self) -> bool {
        self.0 >= PastSessions::NEEDED
    }
}

/// Absolute bounds, which are judged without any other stack.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Limits {
    /// The worst acceptable value by metric, in requests per second or microseconds.
    pub metrics: BTreeMap<Metric, f64>,
    /// The most that a stack may hold more of with each request: bytes, or a count.
    pub growth: BTreeMap<Growth, f64>,
    /// The most failed requests of a measured window.
    pub errors: Option<u32>,
}

impl Limits {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.metrics.is_empty() && self.growth.is_empty() && self.errors.is_none()
    }
}

/// The baseline of the ratios to the reference stack.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Against {
    /// The same ratio in the committed snapshot: has the stack changed?
    #[default]
    Snapshot,
    /// The reference stack itself, a ratio of 1: is the stack worse?
    Reference,
}

impl Against {
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
    /// Good responses per second of the measured window; more is better.
    Throughput,
    /// CPU time of all components per good response; less is better.
    CpuPerRequest,
    /// Median service time; less is better.
    P50,
    /// 99th percentile of the service time; less is better.
    P99,
}

impl Metric {
    /// In the order of reports.
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

    #[must_use]
    pub fn more_is_better(self) -> bool {
        matches!(self, Metric::Throughput)
    }
}

/// Something that a stack may hold more and more of, as a leak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Growth {
    /// Proportional set size, or resident set size where that is unknown.
    Memory,
    Descriptors,
    Threads,
    /// Established connections to the components.
    Connections,
}

impl Growth {
    /// In the order of reports.
    pub const ALL: [Growth; 4] = [Growth::Memory, Growth::Descriptors, Growth::Threads, Growth::Connections];

    /// The name in scenario files and records.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Growth::Memory => "memory_growth",
            Growth::Descriptors => "descriptor_growth",
            Growth::Threads => "thread_growth",
            Growth::Connections => "connection_growth",
        }
    }

    /// The growth of this name.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Growth> {
        Growth::ALL.into_iter().find(|growth| growth.name() == name)
    }

    /// An amount per request in words, as scenario files write it: `1 MiB per 100k`.
    #[must_use]
    pub fn display(self, per_request: f64) -> String {
        const UNITS: [&str; 5] = [" B", " KiB", " MiB", " GiB", " TiB"];
        let mut amount = per_request * 100_000.0;
        let mut unit = "";
        if self == Growth::Memory {
            let mut units = UNITS.into_iter().peekable();
            unit = units.next().unwrap_or_default();
            while amount.abs() >= 999.5 && units.peek().is_some() {
                amount /= 1024.0;
                unit = units.next().unwrap_or_default();
            }
        }
        let digits = match amount.abs() {
            size if size < 9.995 => 2,
            size if size < 99.95 => 1,
            _ => 0,
        };
        let mut text = format!("{amount:.digits$}");
        if digits > 0 {
            text.truncate(text.trim_end_matches('0').trim_end_matches('.').len());
        }
        let text = if text == "-0" { "0" } else { &text };
        format!("{text}{unit} per 100k")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_shown_as_written() {
        for (growth, per_request, text) in [
            (Growth::Memory, 1_048_576.0 / 1e5, "1 MiB per 100k"),
            (Growth::Memory, 2900.0, "277 MiB per 100k"),
            (Growth::Memory, 0.0, "0 B per 100k"),
            (Growth::Memory, -0.512, "-50 KiB per 100k"),
            (Growth::Descriptors, 0.002, "200 per 100k"),
            (Growth::Threads, -1e-9, "0 per 100k"),
            (Growth::Connections, 0.000_025, "2.5 per 100k"),
        ] {
            assert_eq!(growth.display(per_request), text);
        }
    }
}
