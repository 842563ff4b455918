//! Rankings: the range of ranks that each stack may have under a load, by a metric.

use std::fmt::{self, Display, Formatter};

use serde::{Deserialize, Serialize};

/// The ranking of the stacks under one load, by one metric.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadRanking {
    pub load: String,
    /// The metric's name.
    pub metric: String,
    /// Every stack with a valid round, the best median first.
    #[serde(rename = "places")]
    pub ranks: Vec<RankRange>,
    /// Stacks without a valid round.
    #[serde(rename = "unplaced")]
    pub unranked: Vec<String>,
    /// The number of blocks that it takes to tell this many stacks apart at all, where there were fewer.
    pub blocks_needed: Option<usize>,
}

/// The ranks that one stack may have: a range where it cannot be told apart from others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RankRange {
    pub stack: String,
    /// One more than the number of stacks known to be better.
    pub best: usize,
    /// The number of ranked stacks, less those known to be worse.
    pub worst: usize,
    /// The stacks known to be worse, the best median first.
    pub better_than: Vec<String>,
}

impl LoadRanking {
    /// The rank range of a stack, if it has one.
    #[must_use]
    pub fn rank(&self, stack: &str) -> Option<&RankRange> {
        self.ranks.iter().find(|rank| rank.stack == stack)
    }
}

impl Display for RankRange {
    /// `4`, or `9–13`.
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        match (self.best, self.worst) {
            (best, worst) if best == worst => write!(formatter, "{best}"),
            (best, worst) => write!(formatter, "{best}–{worst}"),
        }
    }
}
