//! The faults of earlier comparisons, and how this run avoids each. A fault has a row if the record covers it.

use std::collections::{BTreeMap, BTreeSet};

use super::provenance::core_list;
use crate::record::{Measured, Record, RoundOutcome};
use crate::report::numbers::{counted, grouped};

/// Rows of a fault and its guard.
#[must_use]
pub fn guards(record: &Record) -> Vec<[String; 2]> {
    let measured = record.rounds.iter().filter_map(|round| match &round.outcome {
        RoundOutcome::Measured(measured) => Some(measured.as_ref()),
        RoundOutcome::Failed { .. } | RoundOutcome::Unavailable { .. } => None,
    });
    let measured: Vec<&Measured> = measured.collect();
    if measured.is_empty() {
        return Vec::new();
    }
    let mut rows = vec![failed_rounds(record, &measured), errors(&measured), checks(record)];
    rows.extend(saturated(&measured));
    rows.extend(cores(record));
    rows.push([
        "the order of visits favours one stack".to_owned(),
        format!("randomised in each block (seed {}); every visit starts the stack afresh", record.provenance.seed),
    ]);
    rows
}

fn failed_rounds(record: &Record, measured: &[&Measured]) -> [String; 2] {
    let all = record.rounds.len();
    let invalid = measured.iter().filter(|measured| !measured.is_valid()).count();
    let failed = record.rounds.iter().filter(|round| matches!(round.outcome, RoundOutcome::Failed { .. })).count();
    let guard = format!(
        "{invalid} of {} were invalid and {failed} could not run; no median includes them",
        counted(all, "round")
    );
    ["failed rounds averaged in as zeros".to_owned(), guard]
}

fn errors(measured: &[&Measured]) -> [String; 2] {
    let errors: u64 = measured.iter().flat_map(|measured| measured.failed.values()).sum();
    let guard = format!(
        "only complete 2xx and 3xx responses count; the tables list {} errors by class",
        grouped(errors as f64)
    );
    ["errors counted as throughput".to_owned(), guard]
}

/// The stacks that skip checks which others run, keep-alive above all.
fn checks(record: &Record) -> [String; 2] {
    let names: BTreeSet<&str> = record.stacks.iter().flat_map(|stack| &stack.checks).map(|c| c.name.as_str()).collect();
    let checked: Vec<_> = record.stacks.iter().filter(|stack| !stack.checks.is_empty()).collect();
    // Checks that the same stacks skip share a part of the sentence.
    let mut skipped: BTreeMap<Vec<&str>, Vec<String>> = BTreeMap::new();
    for name in &names {
        let without = checked.iter().filter(|stack| !stack.checks.iter().any(|check| check.name == *name));
        let without: Vec<&str> = without.map(|stack| stack.name.as_str()).collect();
        if !without.is_empty() {
            skipped.entry(without).or_default().push(format!("“{name}”"));
        }
    }
    let failed = checked.iter().filter(|stack| !stack.passed()).count();
    let mut guard = format!(
        "only stacks that pass every check are measured ({}, {} failed)",
        counted(names.len(), "check"),
        counted(failed, "stack")
    );
    for (stacks, checks) in &skipped {
        guard.push_str(&format!("; not sent to {}: {}", stacks.join(", "), checks.join(", ")));
    }
    if !skipped.is_empty() {
        guard.push_str(" (the scenario or the kind of the server says why)");
    }
    ["different behaviour, such as keep-alive on some stacks only".to_owned(), guard]
}

/// The rates that the driver could not offer.
fn saturated(measured: &[&Measured]) -> Option<[String; 2]> {
    let rates: Vec<_> =
        measured.iter().filter_map(|measured| measured.open.as_deref()).flat_map(|open| &open.rates).collect();
    if rates.is_empty() {
        return None;
    }
    let behind = rates.iter().filter(|rate| rate.fell_behind()).count();
    let guard = format!("the driver fell behind at {behind} of {} rates; these do not count", rates.len());
    Some(["a saturated client".to_owned(), guard])
}

fn cores(record: &Record) -> Option<[String; 2]> {
    let provenance = &record.provenance;
    let (load, stacks) = (&provenance.load_cores, &provenance.stack_cores);
    if load.is_empty() || stacks.is_empty() || load.iter().any(|core| stacks.contains(core)) {
        return None;
    }
    let guard = format!("the load runs on core {}, the stacks on core {}", core_list(load), core_list(stacks));
    Some(["load and server share a core".to_owned(), guard])
}
