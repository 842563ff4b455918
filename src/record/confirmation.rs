//! Confirmation: values that failed the gate, measured once more with rounds of their own, which decide.

use serde::{Deserialize, Serialize};

use super::{LooksRecord, RatioInterval, RoundRecord, ValueInterval};

/// One gated value: a metric or a growth of a stack under a load.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Cell {
    pub load: String,
    pub stack: String,
    /// The name, as in scenario files.
    pub metric: String,
}

impl Cell {
    #[must_use]
    pub fn is(&self, load: &str, stack: &str, metric: &str) -> bool {
        self.load == load && self.stack == stack && self.metric == metric
    }
}

/// The second sample of a run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Confirmation {
    /// What failed in the first sample. They share the error of the second one.
    pub cells: Vec<Cell>,
    /// The declared probability that the second sample wrongly fails any of them.
    pub error: f64,
    pub looks: LooksRecord,
    /// In the order in which they were run. Their blocks are counted from 0 again.
    pub rounds: Vec<RoundRecord>,
}

/// What the first sample showed of a ratio that the second one has decided.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct FirstChange {
    pub change: Option<RatioInterval>,
    pub rounds: usize,
}

/// The same of a value with a limit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct FirstValue {
    pub interval: Option<ValueInterval>,
    pub rounds: usize,
}
