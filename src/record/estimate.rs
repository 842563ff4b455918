//! Estimates from the valid rounds: medians, and ratios to the reference stack.

use serde::{Deserialize, Serialize};

use lab_stats::signed_rank::Interval;

/// The estimate of one metric of one stack under one load.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    pub load: String,
    pub stack: String,
    /// The metric's name, as in scenario files.
    pub metric: String,
    pub unit: Unit,
    /// The number of valid rounds.
    pub rounds: usize,
    /// `None` without valid rounds.
    pub median: Option<f64>,
    /// `None` for the reference stack and without a common block.
    pub ratio: Option<Ratio>,
}

/// The unit of a figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Requests per second.
    PerS,
    /// Microseconds.
    Us,
    /// Bytes held more with each request.
    BytesPerRequest,
    /// A number of descriptors, threads or connections held more with each request.
    PerRequest,
}

/// A stack's ratio to the reference stack, from the blocks in which both have a valid round.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ratio {
    pub reference: String,
    /// The Hodges-Lehmann estimate.
    pub ratio: f64,
    /// Natural logarithms of the ratios, one for each block.
    pub log_ratios: Vec<f64>,
    /// The exact signed-rank interval; `None` with too few rounds (95 % takes 6).
    pub interval: Option<RatioInterval>,
    pub t_interval: Option<RatioInterval>,
    /// Of these two stacks, those whose driver was saturated in at least half of their rounds, so that the ratio describes
    /// the driver too. Empty for CPU time per request, which a slow driver does not change.
    pub driver_bound: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RatioInterval {
    pub lower: f64,
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
