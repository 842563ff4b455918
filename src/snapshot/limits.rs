//! Absolute bounds: a metric's values in the rounds of one stack under one load, against the scenario's limit. Pure.
//!
//! The statistic is the one for ratios, with a margin of zero: of each round the logarithm of the value over its limit. Growth
//! may be zero or negative, so there it is the value over its limit, less one. The bound fails if the whole interval of the
//! value is beyond it.

use super::undecided::in_words;
use crate::record::{LimitVerdict, Measured, OUT_OF_REACH, RoundOutcome, RoundRecord, ValueInterval, Verdict};
use crate::scenario::model::{Growth, Metric, OnErrors, Scenario, Stack};
use lab_stats::decision::{Baseline, MetricTest, TestResult};
use lab_stats::estimate::estimate;
use lab_stats::verdict::{self, Direction};

/// The name of the bound of failed requests.
const ERRORS: &str = "errors";

/// The confidence that the estimate of a value is asked for. The interval is the gate's own.
const CONFIDENCE: f64 = 0.95;

/// A metric with a limit.
#[derive(Debug, Clone)]
pub struct LimitedMetric {
    load: String,
    stack: String,
    metric: Limited,
    limit: f64,
    /// Each valid round's value relative to the limit, in the order of the blocks; zero is the limit.
    relative: Vec<f64>,
}

/// What can have a limit that is judged by an interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limited {
    Metric(Metric),
    Growth(Growth),
}

impl Limited {
    fn name(self) -> &'static str {
        match self {
            Limited::Metric(metric) => metric.name(),
            Limited::Growth(growth) => growth.name(),
        }
    }

    /// A round's value relative to the limit.
    fn relative(self, measured: &Measured, limit: f64) -> Option<f64> {
        match self {
            Limited::Metric(metric) => Some((measured.metric(metric).filter(|value| *value > 0.0)? / limit).ln()),
            Limited::Growth(growth) => Some(measured.growth(growth)? / limit - 1.0),
        }
    }

    fn absolute(self, relative: f64, limit: f64) -> f64 {
        match self {
            Limited::Metric(_) => limit * relative.exp(),
            Limited::Growth(_) => limit * (1.0 + relative),
        }
    }

    fn direction(self) -> Direction {
        match self {
            Limited::Metric(metric) if metric.more_is_better() => Direction::HigherIsBetter,
            Limited::Metric(_) | Limited::Growth(_) => Direction::LowerIsBetter,
        }
    }
}

/// The limits of every measured stack under every load whose errors are not only counted, with the values of `rounds`. The
/// earlier versions of a comparison have none.
#[must_use]
pub fn limited_metrics(scenario: &Scenario, rounds: &[RoundRecord]) -> Vec<LimitedMetric> {
    let mut limited = Vec::new();
    for (load, stack) in limited_visits(scenario) {
        let limits = &scenario.gate.limits;
        let metrics = limits.metrics.iter().map(|(metric, limit)| (Limited::Metric(*metric), *limit));
        let growth = limits.growth.iter().map(|(growth, limit)| (Limited::Growth(*growth), *limit));
        for (metric, limit) in metrics.chain(growth) {
            let visits = rounds.iter().filter(|round| round.load == load && round.stack == stack.name);
            limited.push(LimitedMetric {
                load: load.to_owned(),
                stack: stack.name.clone(),
                metric,
                limit,
                relative: visits.filter_map(|round| metric.relative(round.valid()?, limit)).collect(),
            });
        }
    }
    limited
}

/// The verdicts on the limit of failed requests, which needs no statistics.
#[must_use]
pub fn error_verdicts(scenario: &Scenario, rounds: &[RoundRecord]) -> Vec<LimitVerdict> {
    let Some(most) = scenario.gate.limits.errors else { return Vec::new() };
    let verdicts = limited_visits(scenario).map(|(load, stack)| {
        let visits = rounds.iter().filter(|round| round.load == load && round.stack == stack.name);
        let failed: Vec<u64> = visits.filter_map(failed_requests).collect();
        let worst = failed.iter().max().copied();
        LimitVerdict {
            load: load.to_owned(),
            stack: stack.name.clone(),
            metric: ERRORS.to_owned(),
            limit: f64::from(most),
            value: worst.map(|worst| worst as f64),
            interval: None,
            verdict: match worst {
                Some(worst) if worst > u64::from(most) => Verdict::Fail,
                Some(_) => Verdict::Pass,
                None => Verdict::Invalid,
            },
            rounds: failed.len(),
            further_rounds: None,
            because: worst.is_none().then(|| "no round was measured".to_owned()),
            first: None,
        }
    });
    verdicts.collect()
}

/// The failed requests of a window, if there was one.
pub(super) fn failed_requests(round: &RoundRecord) -> Option<u64> {
    match &round.outcome {
        RoundOutcome::Measured(measured) => Some(measured.failed.values().sum()),
        RoundOutcome::Failed { .. } | RoundOutcome::Unavailable { .. } => None,
    }
}

fn limited_visits(scenario: &Scenario) -> impl Iterator<Item = (&str, &Stack)> {
    let loads = scenario.ranked_loads().filter(|load| load.errors == OnErrors::Fail);
    loads.flat_map(move |load| {
        let is_limited = move |stack: &&Stack| stack.measured && !stack.is_base() && load.drives(&stack.name);
        scenario.stacks.iter().filter(is_limited).map(move |stack| (load.name.as_str(), stack))
    })
}

impl LimitedMetric {
    /// Whether `is_judged` holds for its load, stack and metric.
    pub(super) fn is_judged(&self, is_judged: &impl Fn(&str, &str, &str) -> bool) -> bool {
        is_judged(&self.load, &self.stack, self.metric.name())
    }

    /// The test to decide together with those of the ratios; `None` without valid rounds.
    pub(super) fn test(&self) -> Option<MetricTest<'_>> {
        if self.relative.is_empty() {
            return None;
        }
        let direction = self.metric.direction();
        Some(MetricTest { log_ratios: &self.relative, baseline: Baseline::NoChange, margin: 0.0, direction })
    }

    pub(super) fn verdict(&self, result: Option<TestResult>) -> LimitVerdict {
        let value = estimate(&self.relative, CONFIDENCE);
        let mut evaluated = LimitVerdict {
            load: self.load.clone(),
            stack: self.stack.clone(),
            metric: self.metric.name().to_owned(),
            limit: self.limit,
            value: value.map(|value| self.metric.absolute(value.log_ratio, self.limit)),
            interval: None,
            verdict: Verdict::Invalid,
            rounds: self.relative.len(),
            further_rounds: None,
            because: None,
            first: None,
        };
        let Some(result) = result else {
            return LimitVerdict { because: Some("no valid round".to_owned()), ..evaluated };
        };
        evaluated.rounds = result.rounds;
        evaluated.interval = result.change.map(|change| ValueInterval {
            lower: self.metric.absolute(change.lower, self.limit),
            upper: self.metric.absolute(change.upper, self.limit),
            confidence: change.confidence,
        });
        evaluated.verdict = match result.verdict {
            // Wholly within a bound is no improvement.
            verdict::Verdict::Pass | verdict::Verdict::Improved => Verdict::Pass,
            verdict::Verdict::Fail => Verdict::Fail,
            verdict::Verdict::Inconclusive(reason) => {
                (evaluated.further_rounds, evaluated.because) = in_words(reason, || OUT_OF_REACH.to_owned());
                Verdict::Inconclusive
            }
        };
        evaluated
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::model::Gate;
    use crate::snapshot::gate::{GateContext, RunValues, judge};
    use crate::snapshot::ratios::Ratios;
    use lab_stats::decision::Looks;

    /// Ten rounds at and around `value`, against a limit of 100.
    fn judged(metric: Limited, value: f64) -> LimitVerdict {
        let values = (0..10).map(|round| value + 0.2 * (f64::from(round) - 4.5));
        let relative = |value: f64| match metric {
            Limited::Metric(_) => (value / 100.0).ln(),
            Limited::Growth(_) => value / 100.0 - 1.0,
        };
        let limited = LimitedMetric {
            load: "l".to_owned(),
            stack: "s".to_owned(),
            metric,
            limit: 100.0,
            relative: values.map(relative).collect(),
        };
        let looks = Looks::new(vec![10]).unwrap();
        let context = GateContext { gate: &Gate::default(), ungated: &[], looks: &looks, made: 1, cells: None };
        let now = Ratios::from_estimates(String::new(), &[], &[]);
        let run = RunValues { estimates: &[], now: &now, committed: None, limited: &[limited], past: &[] };
        judge(context, run).limits.remove(0)
    }

    #[test]
    fn whole_interval_decides() {
        let (p99, throughput) = (Limited::Metric(Metric::P99), Limited::Metric(Metric::Throughput));
        let memory = Limited::Growth(Growth::Memory);
        for (metric, value, verdict) in [
            (p99, 90.0, Verdict::Pass),
            (p99, 110.0, Verdict::Fail),
            (p99, 100.0, Verdict::Inconclusive),
            (throughput, 110.0, Verdict::Pass),
            (throughput, 90.0, Verdict::Fail),
            (memory, 110.0, Verdict::Fail),
            (memory, 0.0, Verdict::Pass),
            (memory, -30.0, Verdict::Pass),
        ] {
            let judged = judged(metric, value);
            assert_eq!(judged.verdict, verdict, "{metric:?} {value}: {judged:?}");
            let interval = judged.interval.unwrap();
            assert!(interval.lower < value && value < interval.upper, "{judged:?}");
        }
    }
}
