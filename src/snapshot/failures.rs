//! Counts what went wrong in a run, before anything is compared. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::limits::failed_requests;
use crate::record::{GateOutcome, RoundOutcome, RoundRecord, StackRecord};
use crate::scenario::model::{Scenario, base_name, head_name};
use lab_load::wire::ErrorClass;

/// What could not run and how many checks and requests failed, with no comparison yet. In a comparison of versions, checks
/// that fail on the earlier one are no failures, and neither are errors that it has as well.
#[must_use]
pub fn count_failures(scenario: &Scenario, stacks: &[StackRecord], rounds: &[RoundRecord]) -> GateOutcome {
    let current = stacks.iter().filter(|stack| head_name(&stack.name).is_none());
    let checks = current.flat_map(|stack| &stack.checks);
    let is_ranked = |round: &&RoundRecord| scenario.ranked_loads().any(|load| load.name == round.load);
    let visited: BTreeSet<_> = rounds.iter().filter(is_ranked).map(|round| (&round.load, &round.stack)).collect();
    let valid = rounds.iter().filter(|round| round.valid().is_some());
    let valid: BTreeSet<_> = valid.map(|round| (&round.load, &round.stack)).collect();
    GateOutcome {
        could_not_run: stacks.iter().filter(|stack| could_not_run(stack)).count()
            + rounds.iter().filter(|round| has_failed(round, is_ranked(round))).count(),
        failed_checks: checks.filter(|check| !check.passed()).count(),
        errors_under_load: errors_under_load(scenario, rounds),
        without_valid_rounds: visited.difference(&valid).count(),
        ..GateOutcome::default()
    }
}

/// A missing optional stack is only a row of the report.
fn could_not_run(stack: &StackRecord) -> bool {
    stack.error.is_some() || (stack.unavailable.is_some() && !stack.is_optional)
}

/// A cross-validation whose program is not installed is only a row of the report.
fn has_failed(round: &RoundRecord, is_ranked: bool) -> bool {
    match round.outcome {
        RoundOutcome::Failed { .. } => true,
        RoundOutcome::Unavailable { .. } => is_ranked,
        RoundOutcome::Measured(_) => false,
    }
}

fn errors_under_load(scenario: &Scenario, rounds: &[RoundRecord]) -> u64 {
    let counted = scenario.counted_loads();
    let most = u64::from(scenario.gate.limits.errors.unwrap_or(0));
    let judged = rounds.iter().filter(|round| !counted.contains(&round.load.as_str()));
    let judged = judged.filter(|round| head_name(&round.stack).is_none());
    let over = judged.filter(|round| failed_requests(round).is_some_and(|failed| failed > most));
    over.map(|round| {
        let known = error_classes(rounds, &round.load, &base_name(&round.stack));
        failures(round).iter().filter(|(class, _)| !known.contains(*class)).map(|(_, count)| count).sum::<u64>()
    })
    .sum()
}

/// The classes of errors of a stack under a load.
fn error_classes(rounds: &[RoundRecord], load: &str, stack: &str) -> BTreeSet<ErrorClass> {
    let visits = rounds.iter().filter(|round| round.load == load && round.stack == stack);
    visits.flat_map(|round| failures(round).into_keys()).collect()
}

fn failures(round: &RoundRecord) -> BTreeMap<ErrorClass, u64> {
    match &round.outcome {
        RoundOutcome::Measured(measured) => measured.failed.clone(),
        RoundOutcome::Failed { .. } | RoundOutcome::Unavailable { .. } => BTreeMap::new(),
    }
}
