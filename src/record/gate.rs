//! What the gate found: this run's facts against the committed ones.

use serde::{Deserialize, Serialize};

use super::RatioInterval;

/// What the gate found.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct GateOutcome {
    /// Stacks, rounds or checks that could not run.
    pub could_not_run: usize,
    /// Checks that failed.
    pub failed_checks: usize,
    /// Requests of all measured windows that ended in an error.
    pub errors_under_load: u64,
    /// Stacks under a load that were to be measured and have no valid round.
    pub without_valid_rounds: usize,
    /// The exact facts against the committed snapshot.
    pub facts: FactsVerdict,
    /// Each gated ratio against the committed one.
    pub metrics: Vec<MetricVerdict>,
}

/// The exact facts against the committed snapshot.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FactsVerdict {
    /// Not compared.
    #[default]
    NotCompared,
    /// There is no committed snapshot yet.
    New,
    /// No difference.
    Same,
    /// At least one line differs.
    Changed,
}

/// One gated ratio against the committed one, or against the reference stack itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MetricVerdict {
    /// The load.
    pub load: String,
    /// The stack.
    pub stack: String,
    /// The metric's name.
    pub metric: String,
    /// The margin, as a fraction.
    pub margin: f64,
    /// This run's ratio to the reference stack; `None` without valid rounds.
    pub ratio: Option<f64>,
    /// The committed ratio, if there is one and it is compared with.
    pub committed: Option<f64>,
    /// The change from the committed ratio (or from one) to this run's, at the level that decided, which allows for
    /// every gated metric and every declared look.
    pub change: Option<RatioInterval>,
    /// What follows.
    pub verdict: Verdict,
    /// Which of the declared looks decided, counted from 1; `None` when none did.
    pub look: Option<usize>,
    /// Pairs of rounds it was decided from, or was not.
    pub rounds: usize,
    /// How many more rounds would decide with a chance of four in five, where it is inconclusive and within reach.
    pub further_rounds: Option<u32>,
    /// Why nothing could be decided, for people.
    pub because: Option<String>,
}

/// What follows from a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Not worse by the margin.
    Pass,
    /// Worse by more than the margin.
    Fail,
    /// Direction by more than the margin.
    Improved,
    /// The rounds do not decide it.
    Inconclusive,
    /// There is nothing to compare with, or it is something else.
    Incomparable,
    /// No valid rounds.
    Invalid,
}
