//! From rounds to estimates: the median of each metric, and its ratio to the stack's reference. Pure.

use crate::record::{
    Estimate, GrowthChange, GrowthEstimate, Measured, Ratio, RatioInterval, RoundRecord, Unit, ValueInterval,
    is_driver_bound,
};
use crate::scenario::model::{Growth, Metric, Scenario, Stack};
use lab_stats::estimate::{estimate, log_ratios};
use lab_stats::sample;
use lab_stats::signed_rank::SignedRankInterval;

/// The least confidence of an interval.
pub const CONFIDENCE: f64 = 0.95;

/// Estimates every metric of every measured stack under every load that drives it, in the scenario's order.
#[must_use]
pub fn estimates(scenario: &Scenario, rounds: &[RoundRecord]) -> Vec<Estimate> {
    let mut estimates = Vec::new();
    for load in scenario.ranked_loads() {
        for stack in scenario.stacks.iter().filter(|stack| stack.measured && load.drives(&stack.name)) {
            for metric in Metric::ALL {
                let own = values(rounds, &load.name, &stack.name, metric);
                let ratio = scenario.reference_of(stack).and_then(|reference| {
                    let reference = &reference.name;
                    let ratio = ratio(reference, &own, &values(rounds, &load.name, reference, metric))?;
                    let driver_bound = driver_bound(rounds, &load.name, [&stack.name, reference], metric);
                    Some(Ratio { driver_bound, ..ratio })
                });
                let medians: Vec<f64> = own.iter().map(|(_, value)| *value).collect();
                estimates.push(Estimate {
                    load: load.name.clone(),
                    stack: stack.name.clone(),
                    metric: metric.name().to_owned(),
                    unit: if metric == Metric::Throughput { Unit::PerS } else { Unit::Us },
                    rounds: own.len(),
                    median: sample::median(&medians),
                    ratio,
                });
            }
        }
    }
    estimates
}

/// Estimates what every measured stack holds more of with each request, under every load, in the scenario's order.
#[must_use]
pub fn growth(scenario: &Scenario, rounds: &[RoundRecord]) -> Vec<GrowthEstimate> {
    let mut all = Vec::new();
    for load in scenario.ranked_loads() {
        for stack in scenario.stacks.iter().filter(|stack| stack.measured) {
            // Two stacks may well grow in different ways; two versions of one should not.
            let base = scenario.reference_of(stack).filter(|_| scenario.comparison.is_some());
            for growth in Growth::ALL {
                let values = |stack: &Stack| growth_values(rounds, &load.name, &stack.name, growth);
                let own = values(stack);
                let Some((per_request, interval)) = centre(&own.iter().map(|(_, value)| *value).collect::<Vec<_>>())
                else {
                    continue;
                };
                let before = base.map(values).unwrap_or_default();
                let differences = own.iter().filter_map(|(block, value)| {
                    before.iter().find(|(other, _)| other == block).map(|(_, before)| value - before)
                });
                let change = centre(&differences.collect::<Vec<_>>());
                all.push(GrowthEstimate {
                    load: load.name.clone(),
                    stack: stack.name.clone(),
                    metric: growth.name().to_owned(),
                    rounds: own.len(),
                    per_request,
                    interval,
                    change: change.map(|(per_request, interval)| GrowthChange { per_request, interval }),
                });
            }
        }
    }
    all
}

/// The growth in each block in which the stack has a valid round.
fn growth_values(rounds: &[RoundRecord], load: &str, stack: &str, growth: Growth) -> Vec<(u32, f64)> {
    let visits = rounds.iter().filter(|round| round.load == load && round.stack == stack);
    visits.filter_map(|round| Some((round.block, round.valid()?.growth(growth)?))).collect()
}

/// The Hodges-Lehmann estimate of values with its interval; `None` without values.
fn centre(values: &[f64]) -> Option<(f64, Option<ValueInterval>)> {
    let estimate = estimate(values, CONFIDENCE)?;
    let interval = estimate.signed_rank.exact().map(|interval| ValueInterval {
        lower: interval.lower,
        upper: interval.upper,
        confidence: interval.confidence,
    });
    Some((estimate.log_ratio, interval))
}

/// A metric's value in each block in which the stack has a valid round.
pub(super) fn values(rounds: &[RoundRecord], load: &str, stack: &str, metric: Metric) -> Vec<(u32, f64)> {
    let visits = rounds.iter().filter(|round| round.load == load && round.stack == stack);
    let value = |measured: &Measured| measured.metric(metric).filter(|value| *value > 0.0);
    visits.filter_map(|round| Some((round.block, value(round.valid()?)?))).collect()
}

fn ratio(reference: &str, own: &[(u32, f64)], against: &[(u32, f64)]) -> Option<Ratio> {
    let in_block = |block: u32| against.iter().find(|(other, _)| *other == block).map(|(_, value)| *value);
    let pairs: Vec<(f64, f64)> = own.iter().filter_map(|(block, value)| Some((*value, in_block(*block)?))).collect();
    let log_ratios = log_ratios(&pairs).ok()?;
    let estimate = estimate(&log_ratios, CONFIDENCE)?;
    let interval = match estimate.signed_rank {
        SignedRankInterval::Exact(interval) => Some(RatioInterval::from_logs(interval)),
        SignedRankInterval::TooFew { .. } => None,
    };
    Some(Ratio {
        reference: reference.to_owned(),
        ratio: estimate.ratio(),
        log_ratios,
        interval,
        t_interval: estimate.t.map(RatioInterval::from_logs),
        driver_bound: Vec::new(),
    })
}

/// The stacks whose driver set the pace. It does not change the CPU time per request.
fn driver_bound(rounds: &[RoundRecord], load: &str, stacks: [&String; 2], metric: Metric) -> Vec<String> {
    if metric == Metric::CpuPerRequest {
        return Vec::new();
    }
    stacks.into_iter().filter(|stack| is_driver_bound(rounds, load, stack)).cloned().collect()
}
