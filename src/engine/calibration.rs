//! Calibration: compares the reference stack with itself, and derives the sensitivity of the scenario's runs. Pure.

use std::num::NonZeroU32;

use crate::record::{Estimate, FloorWarning, MetricCalibration, ScenarioCalibration, SelfComparisons};
use crate::scenario::model::{Against, Gate, Load, Metric, Scenario, Stack};
use crate::snapshot::ratios::load_description;
use lab_stats::calibration::{GatedMetric, Sensitivity, sensitivity};
use lab_stats::decision::{Baseline, Looks, MetricTest, decide};
use lab_stats::verdict::{Direction, Verdict};

/// The scenario `name` that compares the reference stack with itself in `blocks` blocks, without a gate.
#[must_use]
pub fn self_comparison(scenario: &Scenario, name: &str, blocks: NonZeroU32) -> Scenario {
    let reference = Stack { reference: true, ..scenario.reference().clone() };
    let mut copy = format!("{}-again", reference.name);
    while scenario.stacks.iter().any(|stack| stack.name == copy) {
        copy.push_str("-again");
    }
    let mut checks = scenario.checks.clone();
    for check in &mut checks {
        if let Some(stacks) = check.stacks.as_mut().filter(|stacks| stacks.contains(&reference.name)) {
            stacks.push(copy.clone());
        }
    }
    let copy = Stack { name: copy, reference: false, ..reference.clone() };
    let mut comparison = scenario.clone();
    comparison.name = name.to_owned();
    comparison.stacks = vec![reference, copy];
    comparison.checks = checks;
    comparison.loads.retain(|load| load.validates.is_none());
    for load in &mut comparison.loads {
        load.stacks = None;
    }
    comparison.rounds.looks = vec![blocks];
    comparison.gate = Gate::default();
    comparison
}

/// The calibration of each metric from the estimates of a [`self_comparison`], without metrics that have no valid round.
#[must_use]
pub fn calibrate(scenario: &Scenario, estimates: &[Estimate]) -> Vec<MetricCalibration> {
    let mut metrics = Vec::new();
    for load in scenario.ranked_loads() {
        for metric in Metric::ALL {
            let of_metric = |estimate: &&Estimate| estimate.load == load.name && estimate.metric == metric.name();
            let ratio = estimates.iter().filter(of_metric).find_map(|estimate| estimate.ratio.as_ref());
            let margin = scenario.gate.margins.get(&metric).copied().unwrap_or(0.0);
            let known =
                ratio.and_then(|ratio| Some((ratio, metric_sensitivity(scenario, metric, margin, &ratio.log_ratios)?)));
            if let Some((ratio, sensitivity)) = known {
                metrics.push(MetricCalibration {
                    load: load.name.clone(),
                    load_description: load_description(load),
                    metric: metric.name().to_owned(),
                    log_ratios: ratio.log_ratios.clone(),
                    margin,
                    blocks: scenario.rounds.max_blocks().get(),
                    sensitivity,
                });
            }
        }
    }
    metrics
}

/// Judges the rounds of a [`self_comparison`] as runs of the scenario: any difference in a gated metric is an alarm, or in
/// any metric if none is gated. As many runs as there are blocks for.
#[must_use]
pub fn compare_with_itself(scenario: &Scenario, metrics: &[MetricCalibration]) -> SelfComparisons {
    let mut found = SelfComparisons { made: 0, alarms: 0 };
    let is_gated = |metric: &&MetricCalibration| metric.margin > 0.0 || scenario.gate.margins.is_empty();
    let gated: Vec<&MetricCalibration> = metrics.iter().filter(is_gated).collect();
    let blocks = scenario.rounds.max_blocks().get() as usize;
    let Ok(looks) = Looks::new(scenario.rounds.looks.iter().map(|look| look.get()).collect()) else { return found };
    let whole = gated.iter().map(|metric| metric.log_ratios.len() / blocks).min().unwrap_or(0);
    for run in 0..whole {
        let part = run * blocks..(run + 1) * blocks;
        let tests = gated.iter().map(|metric| MetricTest {
            log_ratios: &metric.log_ratios[part.clone()],
            baseline: Baseline::NoChange,
            margin: 0.0,
            // Both directions are alarms.
            direction: Direction::LowerIsBetter,
        });
        let tests: Vec<MetricTest<'_>> = tests.collect();
        let results = decide(&tests, &looks, looks.count(), scenario.gate.correction);
        found.made += 1;
        found.alarms +=
            usize::from(results.iter().any(|result| matches!(result.verdict, Verdict::Fail | Verdict::Improved)));
    }
    found
}

/// The margins of `scenario` below the noise floor of its runs, where the gate is often inconclusive. A calibration under
/// another load does not count.
#[must_use]
pub fn warnings(scenario: &Scenario, calibration: &ScenarioCalibration) -> Vec<FloorWarning> {
    let mut warnings = Vec::new();
    for load in scenario.ranked_loads() {
        for (metric, margin) in &scenario.gate.margins {
            let calibrated = calibration.metrics.iter().find(|calibrated| applies(calibrated, load, *metric));
            let sensitivity = calibrated
                .and_then(|calibrated| metric_sensitivity(scenario, *metric, *margin, &calibrated.log_ratios));
            if let Some(sensitivity) = sensitivity.filter(|sensitivity| sensitivity.noise_floor > *margin) {
                warnings.push(FloorWarning {
                    load: load.name.clone(),
                    metric: metric.name().to_owned(),
                    margin: *margin,
                    noise_floor: sensitivity.noise_floor,
                });
            }
        }
    }
    warnings
}

fn applies(calibrated: &MetricCalibration, load: &Load, metric: Metric) -> bool {
    calibrated.load == load.name
        && calibrated.load_description == load_description(load)
        && calibrated.metric == metric.name()
}

fn metric_sensitivity(scenario: &Scenario, metric: Metric, margin: f64, log_ratios: &[f64]) -> Option<Sensitivity> {
    let looks = Looks::new(scenario.rounds.looks.iter().map(|look| look.get()).collect()).ok()?;
    let others = scenario.stacks.iter().filter(|stack| scenario.reference_of(stack).is_some()).count().max(1);
    let measured = scenario.stacks.iter().filter(|stack| stack.measured && !stack.is_base()).count();
    let limits = (scenario.gate.limits.metrics.len() + scenario.gate.limits.growth.len()) * measured;
    let gated = GatedMetric {
        margin,
        direction: if metric.more_is_better() { Direction::HigherIsBetter } else { Direction::LowerIsBetter },
        looks: &looks,
        family: (scenario.gate.margins.len().max(1) * others + limits) * scenario.ranked_loads().count(),
        against_run: scenario.gate.against == Against::Snapshot,
    };
    sensitivity(log_ratios, gated, scenario.rounds.seed)
}
