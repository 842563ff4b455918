//! Estimates: what the valid rounds come to, and the ratios to the reference stack.

use serde::{Deserialize, Serialize};

use lab_stats::signed_rank::Interval;

/// What the valid rounds of one stack under one load say about one metric.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The load.
    pub load: String,
    /// The stack.
    pub stack: String,
    /// The metric's name, as in scenario files.
    pub metric: String,
    /// Requests per second, or microseconds.
    pub unit: Unit,
    /// Valid rounds.
    pub rounds: usize,
    /// The median over these rounds; `None` when there are none.
    pub median: Option<f64>,
    /// The ratio to the reference stack; `None` for the reference itself and without a common block.
    pub ratio: Option<Ratio>,
}

/// The unit of an [`Estimate`]'s median.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Requests per second.
    PerS,
    /// Microseconds.
    Us,
}

/// A stack's ratio to the reference stack, from the blocks in which both have a valid round.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ratio {
    /// The reference stack.
    pub reference: String,
    /// The Hodges-Lehmann estimate.
    pub ratio: f64,
    /// Natural logarithms of the ratios, a block each.
    pub log_ratios: Vec<f64>,
    /// The exact signed-rank interval of the ratio; `None` for fewer rounds than one needs (6 for 95 %).
    pub interval: Option<RatioInterval>,
    /// The t-interval beside it.
    pub t_interval: Option<RatioInterval>,
    /// Of these two stacks, those whose driver had no time left in half of their rounds or more: it set the pace, so the
    /// ratio is the driver's as much as theirs. Never for CPU time per request, which a slow driver does not change.
    pub driver_bound: Vec<String>,
}

/// An interval of a ratio.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RatioInterval {
    /// The lower end.
    pub lower: f64,
    /// The upper end.
    pub upper: f64,
    /// The confidence reached, as a fraction.
    pub confidence: f64,
}

impl RatioInterval {
    /// Converts an interval of natural logarithms.
    #[must_use]
    pub fn from_logs(interval: Interval) -> RatioInterval {
        let Interval { lower, upper, confidence } = interval;
        RatioInterval { lower: lower.exp(), upper: upper.exp(), confidence }
    }
}
