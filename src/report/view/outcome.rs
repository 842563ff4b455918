//! The outcome of a run in one sentence: what failed, or that nothing did.

use super::test_suites::RunContext;
use super::versions::{self, Answer, Tone};
use crate::record::{CheckRecord, FactsVerdict, Record, Verdict};
use crate::report::numbers::counted;

/// The answer of a comparison of versions, or the counts of what failed and what passed.
#[must_use]
pub fn outcome(record: &Record, context: RunContext) -> Answer {
    match &record.comparison {
        Some(_) => versions::answer(record),
        None => {
            let failures = failures(record, context);
            if !failures.is_empty() {
                return Answer { text: failures.join("; "), tone: Tone::Bad };
            }
            let open = undecided(record);
            let tone = if open > 0 { Tone::Unsure } else { Tone::Good };
            Answer { text: successes(record, open).join("; "), tone }
        }
    }
}

fn failures(record: &Record, context: RunContext) -> Vec<String> {
    let gate = &record.gate;
    let mut found = Vec::new();
    let mut note = |count: usize, words: String| {
        if count > 0 {
            found.push(words);
        }
    };
    let failed = gate.failed_checks;
    let could_not_run = gate.could_not_run;
    note(could_not_run, format!("{could_not_run} of the stacks, checks and rounds could not run"));
    note(failed, format!("{failed} of {} failed", counted(checks(record).count(), "check")));
    let without = gate.without_valid_rounds;
    note(without, format!("{} without a valid round", counted(without, "stack")));
    let errors = gate.errors_under_load as usize;
    let is_known = gate.facts == FactsVerdict::Same;
    note(if is_known { 0 } else { errors }, format!("{} under load", counted(errors, "error")));
    let has_changed = gate.facts == FactsVerdict::Changed;
    note(usize::from(has_changed), "exact facts differ from the snapshot".to_owned());
    // Without the gate, the first run of a scenario is no failure.
    let missing = if context.is_gated { gate.missing_snapshots.len() } else { 0 };
    note(missing, format!("{} missing", counted(missing, "snapshot")));
    let worse = gate.metrics.iter().filter(|metric| metric.verdict == Verdict::Fail).count();
    note(worse, format!("{} worse by more than the margin", counted(worse, "metric")));
    let beyond = gate.limits.iter().filter(|limit| limit.verdict == Verdict::Fail).count();
    note(beyond, format!("{} exceeded", counted(beyond, "limit")));
    found
}

fn successes(record: &Record, open: usize) -> Vec<String> {
    let gate = &record.gate;
    let mut said = Vec::new();
    let checks = checks(record).count();
    if checks > 0 {
        said.push(format!("{} passed", counted(checks, "check")));
    }
    match gate.facts {
        FactsVerdict::Same => said.push("exact facts as in the snapshot".to_owned()),
        FactsVerdict::New => said.push("exact facts not committed before".to_owned()),
        FactsVerdict::NotCompared | FactsVerdict::Changed => {}
    }
    let held = verdicts(record).filter(|verdict| matches!(verdict, Verdict::Pass | Verdict::Improved)).count();
    if held > 0 {
        said.push(format!("{} within margins and limits", counted(held, "metric")));
    }
    if open > 0 {
        said.push(format!("{open} undecided"));
    }
    if said.is_empty() {
        said.push("nothing failed".to_owned());
    }
    said
}

fn undecided(record: &Record) -> usize {
    let open = [Verdict::Inconclusive, Verdict::Incomparable, Verdict::Invalid];
    verdicts(record).filter(|verdict| open.contains(verdict)).count()
}

fn verdicts(record: &Record) -> impl Iterator<Item = Verdict> {
    let metrics = record.gate.metrics.iter().map(|metric| metric.verdict);
    metrics.chain(record.gate.limits.iter().map(|limit| limit.verdict))
}

fn checks(record: &Record) -> impl Iterator<Item = &CheckRecord> {
    record.stacks.iter().flat_map(|stack| &stack.checks)
}
