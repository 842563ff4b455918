//! From rounds to estimates: what each stack does under each load, and its ratio to the reference stack. Pure.

use crate::record::{Estimate, Measured, Ratio, RatioInterval, RoundRecord, Unit};
use crate::scenario::model::{Metric, Scenario};
use lab_load::accounting::audit;
use lab_stats::estimate::{estimate, log_ratios};
use lab_stats::sample;
use lab_stats::signed_rank::SignedRankInterval;

/// The confidence every interval has at least.
pub const CONFIDENCE: f64 = 0.95;

/// Estimates every metric of every measured stack under every load, in the scenario's order.
#[must_use]
pub fn estimates(scenario: &Scenario, rounds: &[RoundRecord]) -> Vec<Estimate> {
    let reference = &scenario.reference().name;
    let mut estimates = Vec::new();
    for load in scenario.ranked_loads() {
        for stack in scenario.stacks.iter().filter(|stack| stack.measured) {
            for metric in Metric::ALL {
                let own = values(rounds, &load.name, &stack.name, metric);
                let ratio = (stack.name != *reference)
                    .then(|| values(rounds, &load.name, reference, metric))
                    .and_then(|against| ratio(reference, &own, &against))
                    .map(|ratio| Ratio {
                        driver_bound: driver_bound(rounds, &load.name, [&stack.name, reference], metric),
                        ..ratio
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

/// Which of two stacks were driven by a driver that was busy all the time, in half of their valid rounds or more.
fn driver_bound(rounds: &[RoundRecord], load: &str, stacks: [&String; 2], metric: Metric) -> Vec<String> {
    let is_bound = |stack: &&String| {
        let visits = rounds.iter().filter(|round| round.load == load && round.stack == **stack);
        let (mut bound, mut all) = (0, 0);
        for measured in visits.filter_map(RoundRecord::valid) {
            all += 1;
            bound += usize::from(measured.issues.iter().any(|issue| issue.kind == audit::CLIENT_SATURATED));
        }
        bound > 0 && 2 * bound >= all
    };
    if metric == Metric::CpuPerRequest {
        return Vec::new();
    }
    stacks.into_iter().filter(is_bound).cloned().collect()
}
