//! The command that is most useful after a run.

use crate::record::{FactsVerdict, Record, Verdict};

/// `None` if there is nothing to do.
#[must_use]
pub fn next_command(record: &Record) -> Option<String> {
    let (gate, provenance) = (&record.gate, &record.provenance);
    let file = &provenance.file;
    let is_undecided = gate.metrics.iter().any(|metric| metric.verdict == Verdict::Inconclusive);
    match (gate.facts, &record.comparison) {
        _ if gate.could_not_run > 0 => Some("lab doctor".to_owned()),
        _ if gate.failed_checks > 0 => Some(format!("lab up {file}")),
        // Further rounds decide about metrics, and no facts. The report says how those differ.
        (FactsVerdict::Changed, None) => Some("lab snapshot review".to_owned()),
        (FactsVerdict::Changed, Some(_)) => None,
        (FactsVerdict::New, None) if gate.accepted_snapshots.is_empty() => {
            Some(format!("lab snapshot accept {}", provenance.scenario))
        }
        (_, Some(comparison)) if is_undecided => {
            Some(format!("lab compare {} {file} --rounds auto", comparison.base.name))
        }
        (_, None) if is_undecided => Some(format!("lab run {file} --rounds auto")),
        (FactsVerdict::NotCompared, None) if record.rounds.is_empty() => Some(format!("lab run {file}")),
        _ => None,
    }
}
