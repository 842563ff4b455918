//! Verdicts on a change, from an interval and a margin.
//!
//! Only an interval can decide, and only against a margin set beforehand: a difference can be certain but too small to
//! matter, or large but uncertain. The rule is that of equivalence and non-inferiority testing (Wellek, *Testing
//! Statistical Hypotheses of Equivalence and Noninferiority*, 2nd edition, chapter 1). [`decision`](crate::decision)
//! chooses the interval and the look.

use crate::signed_rank::Interval;

/// Whether higher or lower values of a metric are better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// As for throughput.
    HigherIsBetter,
    /// As for time and cost.
    LowerIsBetter,
}

impl Direction {
    /// Converts a log ratio so that positive values are worse; all decisions use this scale.
    #[must_use]
    pub fn worsening(self, log_ratio: f64) -> f64 {
        match self {
            Direction::LowerIsBetter => log_ratio,
            Direction::HigherIsBetter => -log_ratio,
        }
    }

    /// Converts an interval likewise. The conversion is its own inverse.
    #[must_use]
    pub fn worsening_interval(self, interval: Interval) -> Interval {
        match self {
            Direction::LowerIsBetter => interval,
            Direction::HigherIsBetter => Interval { lower: -interval.upper, upper: -interval.lower, ..interval },
        }
    }
}

/// A margin on the scale of [`Direction::worsening`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// A change above this is a failure.
    pub worse: f64,
    /// A change below this is an improvement.
    pub improved: f64,
}

impl Limits {
    /// The limits of a margin, which is a fraction: "five per cent worse" is a ratio of 1.05 where lower is better, and of
    /// 0.95 where higher is better.
    #[must_use]
    pub fn new(margin: f64, direction: Direction) -> Limits {
        match direction {
            Direction::LowerIsBetter => Limits { worse: margin.ln_1p(), improved: (-margin).ln_1p() },
            Direction::HigherIsBetter => Limits { worse: -(-margin).ln_1p(), improved: -margin.ln_1p() },
        }
    }
}

/// The verdict on a change, given a margin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The worse end of the interval is within the margin.
    Pass,
    /// The whole interval is worse than the margin.
    Fail,
    /// The whole interval is better than the margin.
    Improved,
    /// The interval straddles the margin, or there are too few rounds for one.
    Inconclusive(InconclusiveReason),
}

/// Why a test is inconclusive, and what would decide it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InconclusiveReason {
    /// This many more rounds, if they vary as before, decide with a probability of 80 %.
    TooFewRounds(u32),
    /// The estimate is too close to the margin for any practical number of rounds.
    OutOfReach,
    /// The baseline's own interval is too wide for this margin, whatever is measured now: it needs more rounds.
    WideBaseline,
}
