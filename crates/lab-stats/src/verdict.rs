//! From an interval and a margin to a verdict: is the change worth failing for?
//!
//! Pure. Only an interval can decide, and only against a margin that was set beforehand: a difference can be certain
//! and too small to matter, or large and not certain. The rule is that of equivalence and non-inferiority testing
//! (Wellek, *Testing Statistical Hypotheses of Equivalence and Noninferiority*, 2nd edition, chapter 1). Which
//! interval, and at which look, is [`decision`](crate::decision)'s to say.

use crate::signed_rank::Interval;

/// Which way is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Better {
    /// More is better: throughput.
    More,
    /// Less is better: time, cost.
    Less,
}

impl Better {
    /// A logarithm of a ratio as that of how much *worse*, on which all decisions are made.
    #[must_use]
    pub fn worse(self, log_ratio: f64) -> f64 {
        match self {
            Better::Less => log_ratio,
            Better::More => -log_ratio,
        }
    }

    /// The same for an interval; used again, it leads back.
    #[must_use]
    pub fn worse_interval(self, interval: Interval) -> Interval {
        match self {
            Better::Less => interval,
            Better::More => Interval { lower: -interval.upper, upper: -interval.lower, ..interval },
        }
    }
}

/// A margin on the scale of [`Better::worse`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Worse than this is a failure.
    pub worse: f64,
    /// Below this is an improvement.
    pub improved: f64,
}

impl Limits {
    /// Of a margin given as a fraction: "five per cent worse" is a ratio of 1.05 where less is better and of 0.95
    /// where more is better.
    #[must_use]
    pub fn of(margin: f64, better: Better) -> Limits {
        match better {
            Better::Less => Limits { worse: margin.ln_1p(), improved: (-margin).ln_1p() },
            Better::More => Limits { worse: -(-margin).ln_1p(), improved: -margin.ln_1p() },
        }
    }
}

/// What the rounds say about a change, given a margin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The worse end of the interval is within the margin.
    Pass,
    /// The whole interval is worse than the margin.
    Fail,
    /// The whole interval is better than the margin.
    Improved,
    /// The interval straddles the margin, or there are too few rounds for one.
    Inconclusive(Further),
}

/// What it would take to decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Further {
    /// This many more rounds, if they go on as they have, decide with a chance of four in five.
    Rounds(u32),
    /// The estimate is so close to the margin that no number of rounds within reach would.
    OutOfReach,
    /// More rounds of what was committed: its own interval is too wide for this margin, whatever is measured now.
    Baseline,
}
