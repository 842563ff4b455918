//! From rounds to cross-validations: each load that validates another, beside that one. Pure.

use crate::record::{RoundOutcome, RoundRecord, ValidatedStack, Validation};
use crate::scenario::model::{Metric, Scenario};
use lab_stats::sample;

use super::estimates::values;

/// The cross-validations of a run, in the scenario's order.
#[must_use]
pub fn validations(scenario: &Scenario, rounds: &[RoundRecord]) -> Vec<Validation> {
    let mut all = Vec::new();
    for by in &scenario.loads {
        let Some(load) = scenario.loads.iter().find(|load| by.validates.as_ref() == Some(&load.name)) else { continue };
        let per_s = |load: &str, stack: &str| {
            let values: Vec<f64> =
                values(rounds, load, stack, Metric::Throughput).into_iter().map(|(_, value)| value).collect();
            sample::median(&values)
        };
        let visits = |stack: &str| rounds.iter().any(|round| round.load == by.name && round.stack == stack);
        let stacks = scenario.stacks.iter().filter(|stack| visits(&stack.name));
        let missing = rounds.iter().filter(|round| round.load == by.name).find_map(|round| match &round.outcome {
            RoundOutcome::Unavailable { missing } => Some(missing.clone()),
            RoundOutcome::Measured(_) | RoundOutcome::Failed { .. } => None,
        });
        all.push(Validation {
            load: load.name.clone(),
            driver: load.driver.name().to_owned(),
            by: by.name.clone(),
            by_driver: by.driver.name().to_owned(),
            missing,
            stacks: stacks
                .map(|stack| ValidatedStack {
                    stack: stack.name.clone(),
                    own_per_s: per_s(&load.name, &stack.name),
                    other_per_s: per_s(&by.name, &stack.name),
                })
                .collect(),
        });
    }
    all
}
