//! A stack's metrics against its own past: today's rounds against the levels of earlier sessions. Pure.
//!
//! Rounds of one session resemble each other more than those of two sessions do. The scatter between sessions is therefore
//! part of the interval, and no number of rounds makes that narrower.

use super::metric_change::MetricChange;
use super::past::Past;
use crate::record::{MetricVerdict, PastLevel, RoundRecord, Verdict, is_driver_bound};
use crate::scenario::model::{Metric, PastSessions, Scenario};
use lab_stats::decision::{Baseline, MetricTest, TestResult};
use lab_stats::estimate::estimate;
use lab_stats::sample;
use lab_stats::verdict::Direction;

/// The confidence that the estimate of a value is asked for. The interval is the gate's own.
const CONFIDENCE: f64 = 0.95;

/// A metric with a margin, and the stack's past.
#[derive(Debug, Clone)]
pub struct PastMetric {
    load: String,
    stack: String,
    metric: Metric,
    margin: f64,
    /// The natural logarithm of each valid round's value, in the order of the blocks.
    rounds: Vec<f64>,
    /// The logarithms of the earlier sessions' figures.
    levels: Vec<f64>,
    /// Why they cannot be compared.
    obstacle: Option<(Verdict, String)>,
}

/// Every metric with a margin whose past is long enough. Where nothing else can judge the margins, those whose past is too
/// short are among them.
#[must_use]
pub fn past_metrics(scenario: &Scenario, rounds: &[RoundRecord], past: &Past) -> Vec<PastMetric> {
    let mut metrics = Vec::new();
    if !scenario.gate.uses_past {
        return metrics;
    }
    let is_only_judge = !scenario.has_ratios();
    for load in scenario.ranked_loads() {
        let stacks = scenario.stacks.iter().filter(|stack| stack.measured && load.drives(&stack.name));
        for stack in stacks {
            for (&metric, &margin) in &scenario.gate.margins {
                let levels = past.levels(&load.name, &stack.name, metric.name());
                let is_long_enough = PastSessions(levels.len()).suffice();
                if is_long_enough || is_only_judge {
                    let visits = rounds.iter().filter(|round| round.load == load.name && round.stack == stack.name);
                    let values = visits.filter_map(|round| round.valid()?.metric(metric));
                    let mut found = PastMetric {
                        load: load.name.clone(),
                        stack: stack.name.clone(),
                        metric,
                        margin,
                        rounds: values.filter(|value| *value > 0.0).map(f64::ln).collect(),
                        levels: levels.to_vec(),
                        obstacle: None,
                    };
                    found.obstacle = found.obstacle(rounds);
                    metrics.push(found);
                }
            }
        }
    }
    metrics
}

impl PastMetric {
    fn obstacle(&self, rounds: &[RoundRecord]) -> Option<(Verdict, String)> {
        let sessions = PastSessions(self.levels.len());
        if self.rounds.is_empty() {
            return Some((Verdict::Invalid, "no valid round".to_owned()));
        }
        if !sessions.suffice() {
            let because = format!("its past on this machine has {} of {} sessions", sessions.0, PastSessions::NEEDED);
            return Some((Verdict::Incomparable, because));
        }
        let is_bound = self.metric != Metric::CpuPerRequest && is_driver_bound(rounds, &self.load, &self.stack);
        let because = || format!("the driver set the pace on {}, so this is no figure of the stack", self.stack);
        is_bound.then(|| (Verdict::Incomparable, because()))
    }

    /// Whether `is_judged` holds for its load, stack and metric.
    pub(super) fn is_judged(&self, is_judged: &impl Fn(&str, &str, &str) -> bool) -> bool {
        is_judged(&self.load, &self.stack, self.metric.name())
    }

    /// The test to decide together with those of the ratios; `None` if they cannot be compared.
    pub(super) fn test(&self) -> Option<MetricTest<'_>> {
        let direction = if self.metric.more_is_better() { Direction::HigherIsBetter } else { Direction::LowerIsBetter };
        self.obstacle.is_none().then(|| MetricTest {
            log_ratios: &self.rounds,
            baseline: Baseline::Sessions(&self.levels),
            margin: self.margin,
            direction,
        })
    }

    pub(super) fn verdict(&self, result: Option<TestResult>) -> MetricVerdict {
        let mean = sample::mean(&self.levels);
        let change = match (result, &self.obstacle) {
            (Some(result), _) => MetricChange::decided(result, || self.scatter_in_words()),
            (None, obstacle) => MetricChange::impossible(obstacle.clone()),
        };
        let middle = estimate(&self.rounds, CONFIDENCE).map(|estimate| estimate.log_ratio);
        let ratio = mean.zip(middle).map(|(mean, middle)| (middle - mean).exp());
        let past = PastLevel {
            sessions: self.levels.len(),
            level: mean.map(f64::exp),
            scatter: sample::standard_deviation(&self.levels).map(f64::exp_m1),
        };
        let (load, stack, metric) = (self.load.clone(), self.stack.clone(), self.metric.name().to_owned());
        change.verdict(MetricVerdict {
            margin: self.margin,
            ratio,
            past: Some(past),
            rounds: self.rounds.len(),
            ..MetricVerdict::unjudged(load, stack, metric)
        })
    }

    fn scatter_in_words(&self) -> String {
        let scatter = sample::standard_deviation(&self.levels).unwrap_or_default().exp_m1() * 100.0;
        format!("its accepted sessions scatter by {scatter:.1} %, which is too much for this margin")
    }
}
