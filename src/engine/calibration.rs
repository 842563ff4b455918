//! Calibrating: the reference stack against itself, and what its noise means for the scenario's runs. Pure.

use std::num::NonZeroU32;

use crate::record::{Calibrated, CalibratedMetric, Estimate, FloorWarning};
use crate::scenario::model::{Against, Gate, Load, Metric, Scenario, Stack};
use crate::snapshot::ratios::described;
use lab_stats::calibration::{GatedMetric, Sensitivity, sensitivity};
use lab_stats::decision::Looks;
use lab_stats::verdict::Direction;

/// The scenario that compares the reference stack with itself, `blocks` times, and gates nothing. `name` is where its
/// reports go.
#[must_use]
pub fn against_itself(scenario: &Scenario, name: &str, blocks: NonZeroU32) -> Scenario {
    let reference = Stack { reference: true, ..scenario.reference().clone() };
    let mut again = format!("{}-again", reference.name);
    while scenario.stacks.iter().any(|stack| stack.name == again) {
        again.push_str("-again");
    }
    let mut checks = scenario.checks.clone();
    for check in &mut checks {
        if let Some(stacks) = check.stacks.as_mut().filter(|stacks| stacks.contains(&reference.name)) {
            stacks.push(again.clone());
        }
    }
    let again = Stack { name: again, reference: false, ..reference.clone() };
    let mut own = scenario.clone();
    own.name = name.to_owned();
    own.stacks = vec![reference, again];
    own.checks = checks;
    own.loads.retain(|load| load.validates.is_none());
    for load in &mut own.loads {
        load.stacks = None;
    }
    own.rounds.looks = vec![blocks];
    own.gate = Gate::default();
    own
}

/// What the estimates of [`against_itself`] mean for runs of `scenario`. A metric without a valid round is left out.
#[must_use]
pub fn calibrated(scenario: &Scenario, estimates: &[Estimate]) -> Vec<CalibratedMetric> {
    let mut metrics = Vec::new();
    for load in scenario.ranked_loads() {
        for metric in Metric::ALL {
            let of_metric = |estimate: &&Estimate| estimate.load == load.name && estimate.metric == metric.name();
            let ratio = estimates.iter().filter(of_metric).find_map(|estimate| estimate.ratio.as_ref());
            let margin = scenario.gate.margins.get(&metric).copied().unwrap_or(0.0);
            let found =
                ratio.and_then(|ratio| Some((ratio, noise_chances(scenario, metric, margin, &ratio.log_ratios)?)));
            if let Some((ratio, chances)) = found {
                metrics.push(CalibratedMetric {
                    load: load.name.clone(),
                    load_was: described(load),
                    metric: metric.name().to_owned(),
                    log_ratios: ratio.log_ratios.clone(),
                    margin,
                    blocks: scenario.rounds.most().get(),
                    chances,
                });
            }
        }
    }
    metrics
}

/// The margins of `scenario` that are below the noise floor of its runs: what is within them may be noise, and such a
/// gate is often inconclusive. A calibration under another load says nothing.
#[must_use]
pub fn warnings(scenario: &Scenario, known: &Calibrated) -> Vec<FloorWarning> {
    let mut warnings = Vec::new();
    for load in scenario.ranked_loads() {
        for (metric, margin) in &scenario.gate.margins {
            let is_of = |own: &&CalibratedMetric| is_of(own, load, *metric);
            let own = known.metrics.iter().find(is_of);
            let found = own.and_then(|own| noise_chances(scenario, *metric, *margin, &own.log_ratios));
            if let Some(chances) = found.filter(|chances| chances.noise_floor > *margin) {
                warnings.push(FloorWarning {
                    load: load.name.clone(),
                    metric: metric.name().to_owned(),
                    margin: *margin,
                    noise_floor: chances.noise_floor,
                });
            }
        }
    }
    warnings
}

fn is_of(own: &CalibratedMetric, load: &Load, metric: Metric) -> bool {
    own.load == load.name && own.load_was == described(load) && own.metric == metric.name()
}

fn noise_chances(scenario: &Scenario, metric: Metric, margin: f64, own: &[f64]) -> Option<Sensitivity> {
    let looks = Looks::new(scenario.rounds.looks.iter().map(|look| look.get()).collect()).ok()?;
    let others = scenario.stacks.len().saturating_sub(1).max(1);
    let gated = GatedMetric {
        margin,
        direction: if metric.more_is_better() { Direction::HigherIsBetter } else { Direction::LowerIsBetter },
        looks: &looks,
        family: scenario.gate.margins.len().max(1) * scenario.ranked_loads().count() * others,
        against_run: scenario.gate.against == Against::Snapshot,
    };
    sensitivity(own, gated, scenario.rounds.seed)
}
