//! The outcome of the gate: this run's facts against the committed ones.

use serde::{Deserialize, Serialize};

use super::{FirstChange, FirstValue, RatioInterval};

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct GateOutcome {
    /// Stacks, rounds and checks that could not run.
    pub could_not_run: usize,
    pub failed_checks: usize,
    /// Requests of all measured windows that ended in an error.
    pub errors_under_load: u64,
    /// Pairs of a stack and a load without a valid round.
    pub without_valid_rounds: usize,
    pub facts: FactsVerdict,
    /// The digest of this run's exact facts, where they were compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub facts_sha256: Option<String>,
    /// How the exact facts differ from the committed ones: removed lines with `-`, added ones with `+`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub facts_difference: Option<String>,
    pub metrics: Vec<MetricVerdict>,
    /// The absolute bounds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<LimitVerdict>,
    /// The committed snapshots that the run was to be compared with and that do not exist, or lack a ratio.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing_snapshots: Vec<String>,
    /// Why `--accept-new` has not committed the ratios, and so nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused_ratios: Option<String>,
    /// The snapshots that `--accept-new` has committed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accepted_snapshots: Vec<String>,
}

/// The comparison of the exact facts with the committed snapshot.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FactsVerdict {
    #[default]
    NotCompared,
    /// There is no committed snapshot yet.
    New,
    Same,
    Changed,
}

/// One gated metric: its ratio to the reference stack, against the committed ratio or against 1, or its value against the
/// stack's past.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MetricVerdict {
    pub load: String,
    pub stack: String,
    pub metric: String,
    /// As a fraction.
    pub margin: f64,
    /// This run's ratio to the reference stack, or to the level of the past; `None` without valid rounds.
    pub ratio: Option<f64>,
    /// The committed ratio, if the gate compares with one.
    pub committed: Option<f64>,
    /// The stack's past, if the gate compares with that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub past: Option<PastLevel>,
    /// The change from the committed ratio (or from 1) to this run's, or from the level of the past. Its confidence allows for every gated metric and every
    /// declared look.
    pub change: Option<RatioInterval>,
    pub verdict: Verdict,
    /// The deciding look, counted from 1; `None` if none decided.
    pub look: Option<usize>,
    /// The number of rounds; of a ratio, those that are paired.
    pub rounds: usize,
    /// The number of further rounds that would decide with a probability of 80 %, if inconclusive and feasible.
    pub further_rounds: Option<u32>,
    /// Why there is no decision, as a message.
    pub because: Option<String>,
    /// The first sample, which failed, if a second one has decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<FirstChange>,
}

/// The past of one metric of one stack under one load: its figures in the accepted sessions of this machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PastLevel {
    /// The number of sessions since the level last changed.
    pub sessions: usize,
    /// The geometric mean of their figures, in requests per second or microseconds; `None` without sessions.
    pub level: Option<f64>,
    /// The standard deviation between sessions, as a fraction; `None` for fewer than two.
    pub scatter: Option<f64>,
}

impl MetricVerdict {
    /// The verdict on a metric of which nothing is known.
    #[must_use]
    pub fn unjudged(load: String, stack: String, metric: String) -> MetricVerdict {
        MetricVerdict {
            load,
            stack,
            metric,
            margin: 0.0,
            ratio: None,
            committed: None,
            past: None,
            change: None,
            verdict: Verdict::Invalid,
            look: None,
            rounds: 0,
            further_rounds: None,
            because: None,
            first: None,
        }
    }

    /// Whether `other` judges the same metric by the same baseline.
    #[must_use]
    pub fn is_same_metric(&self, other: &MetricVerdict) -> bool {
        (&self.load, &self.stack, &self.metric) == (&other.load, &other.stack, &other.metric)
            && self.past.is_some() == other.past.is_some()
    }
}

/// The bound of one metric of one stack under one load. Values are requests per second or microseconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LimitVerdict {
    pub load: String,
    pub stack: String,
    pub metric: String,
    pub limit: f64,
    /// The Hodges-Lehmann estimate of this run's value; `None` without valid rounds.
    pub value: Option<f64>,
    /// The interval of the value. Its confidence allows for everything that the gate judges.
    pub interval: Option<ValueInterval>,
    pub verdict: Verdict,
    pub rounds: usize,
    /// As in [`MetricVerdict`].
    pub further_rounds: Option<u32>,
    /// Why there is no decision, as a message.
    pub because: Option<String>,
    /// As in [`MetricVerdict`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<FirstValue>,
}

/// An interval of a value, in the value's unit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ValueInterval {
    pub lower: f64,
    pub upper: f64,
    /// The confidence reached, as a fraction.
    pub confidence: f64,
}

/// Why a metric is undecided that no practical number of rounds decides.
pub const OUT_OF_REACH: &str = "too close to the margin for any number of rounds";

/// The verdict on one metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Not worse by the margin.
    Pass,
    /// Worse by more than the margin.
    Fail,
    /// Better by more than the margin.
    Improved,
    /// The rounds do not decide.
    Inconclusive,
    /// There is no baseline, or it was measured under other conditions.
    Incomparable,
    /// No valid rounds.
    Invalid,
}
