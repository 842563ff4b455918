//! One metric of every stack under one load: each round as a point, the median with its interval, the rank range.

use serde::Serialize;

use super::stack_summary::summaries;
use super::verdict::label;
use crate::record::{LoadRanking, Record, RoundOutcome, RoundRecord};
use crate::scenario::model::Metric;
use lab_stats::sample::median;
use lab_stats::signed_rank;

/// The confidence of the intervals, as a fraction.
pub const CONFIDENCE: f64 = 0.95;

/// One metric under one load.
#[derive(Debug, Serialize)]
pub struct ValuePoints {
    pub metric: &'static str,
    /// The metric in words.
    pub label: String,
    pub more_is_better: bool,
    /// The best rank first.
    pub stacks: Vec<StackPoints>,
}

/// The rounds of one stack.
#[derive(Debug, Serialize)]
pub struct StackPoints {
    pub stack: String,
    pub is_reference: bool,
    /// The rank range by this metric.
    pub rank: Option<String>,
    /// Over the valid rounds; `None` without one.
    pub median: Option<f64>,
    /// The exact signed-rank interval of the value; `None` with too few rounds.
    pub interval: Option<[f64; 2]>,
    /// The bound that the gate demands.
    pub limit: Option<f64>,
    pub rounds: Vec<RoundPoint>,
}

/// One measured round.
#[derive(Debug, Serialize)]
pub struct RoundPoint {
    pub block: u32,
    pub value: f64,
    pub is_valid: bool,
}

impl ValuePoints {
    /// `None` if no round has a value.
    #[must_use]
    pub fn new(record: &Record, load: &str, metric: Metric) -> Option<ValuePoints> {
        let ranking = record.rankings.iter().find(|one| one.load == load && one.metric == metric.name());
        let mut stacks: Vec<StackPoints> = summaries(record, load)
            .iter()
            .map(|summary| StackPoints::new(record, load, metric, &summary.stack.name, ranking))
            .collect();
        let order = |stack: &str| ranking.and_then(|one| one.ranks.iter().position(|rank| rank.stack == stack));
        stacks.sort_by_key(|one| order(&one.stack).unwrap_or(usize::MAX));
        stacks.iter().any(|one| !one.rounds.is_empty()).then(|| ValuePoints {
            metric: metric.name(),
            label: label(metric.name()),
            more_is_better: metric.more_is_better(),
            stacks,
        })
    }
}

impl StackPoints {
    fn new(record: &Record, load: &str, metric: Metric, stack: &str, ranking: Option<&LoadRanking>) -> StackPoints {
        let rounds = record.rounds.iter().filter(|round| round.load == load && round.stack == stack);
        let rounds: Vec<RoundPoint> = rounds.filter_map(|round| RoundPoint::new(round, metric)).collect();
        let valid: Vec<f64> = rounds.iter().filter(|round| round.is_valid).map(|round| round.value).collect();
        let logs: Vec<f64> = valid.iter().filter(|value| **value > 0.0).map(|value| value.ln()).collect();
        let interval = signed_rank::interval(&logs, CONFIDENCE).exact();
        let is_own_limit =
            |load_of: &str, stack_of: &str, name: &str| load_of == load && stack_of == stack && name == metric.name();
        let limit = record.gate.limits.iter().find(|limit| is_own_limit(&limit.load, &limit.stack, &limit.metric));
        StackPoints {
            stack: stack.to_owned(),
            is_reference: record.stacks.iter().any(|one| one.reference && one.name == stack),
            rank: ranking.and_then(|ranking| ranking.rank(stack)).map(ToString::to_string),
            median: median(&valid),
            interval: interval.map(|interval| [interval.lower.exp(), interval.upper.exp()]),
            limit: limit.map(|limit| limit.limit),
            rounds,
        }
    }
}

impl RoundPoint {
    fn new(round: &RoundRecord, metric: Metric) -> Option<RoundPoint> {
        match &round.outcome {
            RoundOutcome::Measured(measured) => {
                Some(RoundPoint { block: round.block, value: measured.metric(metric)?, is_valid: measured.is_valid() })
            }
            RoundOutcome::Failed { .. } | RoundOutcome::Unavailable { .. } => None,
        }
    }
}
