//! Counts what went wrong in a run, before anything is compared. Pure.

use std::collections::BTreeSet;

use crate::record::{GateOutcome, RoundOutcome, RoundRecord, StackRecord};
use crate::scenario::model::Scenario;

/// What could not run and how many checks and requests failed, with no comparison yet.
#[must_use]
pub fn count_failures(scenario: &Scenario, stacks: &[StackRecord], rounds: &[RoundRecord]) -> GateOutcome {
    let checks = stacks.iter().flat_map(|stack| &stack.checks);
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
    let judged = rounds.iter().filter(|round| !counted.contains(&round.load.as_str()));
    let measured = judged.filter_map(|round| match &round.outcome {
        RoundOutcome::Measured(measured) => Some(measured),
        RoundOutcome::Failed { .. } | RoundOutcome::Unavailable { .. } => None,
    });
    measured.flat_map(|measured| measured.failed.values()).sum()
}
