//! `[gate]`: what fails a run.

use super::quantity::{BoundText, CountGrowthText, MemoryGrowthText, PercentText};
use crate::document::read::{Integer, OneOf, Word};
use crate::document::table::wire_table;
use crate::scenario::model::{Against, Correction};

wire_table! {
    /// The changes that fail a run.
    Gate in "`[gate]`" {
        /// The baseline of the ratios to the reference stack: the committed `snapshot` (has the stack changed?) or the
        /// `reference` stack itself (is the stack worse?).
        optional against: OneOf<Against> = { "default": "snapshot" },
        /// How the error of a run is shared by everything that is judged. `holm` bounds the probability of any false
        /// alarm. `false-discovery-rate` bounds the expected share of false ones among all alarms, which finds more in a big
        /// table of which much has changed.
        optional correction: OneOf<Correction> = { "default": "holm" },
        /// Whether margins also bound the change of each stack from its own past: its figures in at least eight accepted
        /// sessions of the same machine.
        optional past: bool = { "default": true },
        /// How much worse each metric may become: than in the baseline, than in the stack's past, or in `lab compare` than
        /// at the other revision.
        /// Default: no metric is gated.
        optional margins: Margins,
        /// The worst acceptable values, on any machine: of every measured stack under every load, except loads whose
        /// `errors` are only counted. Default: none.
        optional limits: Limits = { "minProperties": 1 },
    }
}

wire_table! {
    /// Absolute bounds by metric.
    Limits in "`limits`" {
        /// The least good responses per second of the measured window.
        optional throughput: Integer = { "minimum": 1, "maximum": 1_000_000_000 },
        /// The highest CPU time of all components of the stack per good response.
        optional cpu_per_request: BoundText,
        /// The highest median service time.
        optional p50: BoundText,
        /// The highest 99th percentile of the service time.
        optional p99: BoundText,
        /// The most memory that the stack may hold more after a number of requests, such as `1MiB per 100k`: the slope over
        /// the measured window.
        optional memory_growth: MemoryGrowthText,
        /// The same of open descriptors, such as `1 per 10k`.
        optional descriptor_growth: CountGrowthText,
        /// The same of threads.
        optional thread_growth: CountGrowthText,
        /// The same of established connections to the stack's components.
        optional connection_growth: CountGrowthText,
        /// The most failed requests of a measured window. Default: 0, unless the snapshot has the errors.
        optional errors: Integer = { "minimum": 0, "maximum": 1_000_000_000 },
    }
}

wire_table! {
    /// Margins by metric, as percentages above zero.
    Margins in "`margins`" {
        /// Good responses per second of the measured window; more is better.
        optional throughput: PercentText,
        /// CPU time of all components of the stack per good response; less is better.
        optional cpu_per_request: PercentText,
        /// Median service time; less is better.
        optional p50: PercentText,
        /// 99th percentile of the service time; less is better.
        optional p99: PercentText,
    }
}

impl Word for Against {
    const WHAT: &'static str = "comparison";
    const ALL: &'static [(&'static str, Self)] = &[("snapshot", Against::Snapshot), ("reference", Against::Reference)];
}

impl Word for Correction {
    const WHAT: &'static str = "correction";
    const ALL: &'static [(&'static str, Self)] =
        &[("holm", Correction::Holm), ("false-discovery-rate", Correction::FalseDiscoveryRate)];
}
