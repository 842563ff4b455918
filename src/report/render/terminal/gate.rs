//! Did it change?

use std::fmt::Write as _;

use super::style::{BAD, GOOD, QUIET, TITLE, UNSURE, styled};
use crate::record::{ComparedVersions, FactsVerdict, LimitVerdict, LooksRecord, MetricVerdict, Record, Verdict};
use crate::report::numbers::counted;
use crate::report::view::verdict::{limit_grounds, limit_name, metric_grounds, metric_name, verdict_word};
use crate::report::view::versions::{self, Answer, Tone};
use crate::report::view::{noise_floor, varying};

pub(super) fn section(text: &mut String, record: &Record) {
    match &record.comparison {
        Some(comparison) => versions_section(text, record, comparison),
        None => snapshot_section(text, record),
    }
    verdicts(text, record);
}

/// The answer of a comparison of versions, and what the reader has to know.
fn versions_section(text: &mut String, record: &Record, comparison: &ComparedVersions) {
    let _ = writeln!(text, "{}", styled(TITLE, "Did the change break anything?"));
    let Answer { text: sentence, tone } = versions::answer(record);
    let style = match tone {
        Tone::Good => GOOD,
        Tone::Bad => BAD,
        Tone::Unsure => UNSURE,
    };
    let _ = writeln!(text, "  {}", styled(style, &sentence));
    for note in &comparison.notes {
        let _ = writeln!(text, "  {}", styled(UNSURE, &format!("note: {note}")));
    }
    varying_facts(text, record, "not compared, because it varies by itself");
    if record.gate.metrics.is_empty() && !record.estimates.is_empty() {
        let hint = "no metric is judged, because none has a margin: `[gate] margins` sets them";
        let _ = writeln!(text, "  {}", styled(QUIET, hint));
    }
}

fn snapshot_section(text: &mut String, record: &Record) {
    let gate = &record.gate;
    let _ = writeln!(text, "{}", styled(TITLE, "Did it change?"));
    let facts = match gate.facts {
        FactsVerdict::NotCompared => styled(QUIET, "exact facts: not compared (only a whole `lab run` compares them)"),
        FactsVerdict::New if !gate.accepted_snapshots.is_empty() => styled(GOOD, "exact facts: committed by this run"),
        FactsVerdict::New => styled(UNSURE, "exact facts: no snapshot is committed yet"),
        FactsVerdict::Same => styled(GOOD, "exact facts: the same as in the snapshot"),
        FactsVerdict::Changed => styled(BAD, "exact facts: different from the snapshot"),
    };
    let _ = writeln!(text, "  {facts}");
    varying_facts(text, record, "differs from visit to visit of one stack");
    if gate.errors_under_load > 0 {
        let style = if gate.facts == FactsVerdict::Same { QUIET } else { BAD };
        let errors = format!("{} under load", counted(gate.errors_under_load as usize, "error"));
        let _ = writeln!(text, "  {}", styled(style, &errors));
    }
}

/// The facts that vary from visit to visit, and the line that leaves them out.
fn varying_facts(text: &mut String, record: &Record, lead: &str) {
    let varying = varying::varying(record);
    if varying.is_empty() {
        return;
    }
    let _ = writeln!(text, "  {}", styled(UNSURE, &format!("{lead}: {}", varying.join(", "))));
    if let Some(line) = &record.volatile_line {
        let _ = writeln!(text, "  {}", styled(QUIET, "this leaves it out of the facts:"));
        let _ = writeln!(text, "    [snapshot]\n    {line}");
    }
    let others = varying::not_volatile(record);
    if !others.is_empty() {
        let line = format!("no `[snapshot] volatile` can leave out {}", others.join(", "));
        let _ = writeln!(text, "  {}", styled(UNSURE, &line));
    }
}

fn verdicts(text: &mut String, record: &Record) {
    let gate = &record.gate;
    if gate.without_valid_rounds > 0 {
        let without = format!("{} without a valid round", counted(gate.without_valid_rounds, "stack"));
        let _ = writeln!(text, "  {}", styled(BAD, &without));
    }
    let LooksRecord { declared, made } = &record.looks;
    if declared.len() > 1 {
        let declared = declared.iter().map(u32::to_string).collect::<Vec<_>>().join(", ");
        let _ = writeln!(
            text,
            "  {}",
            styled(QUIET, &format!("looked {made} times; looks are declared after {declared} blocks"))
        );
    }
    for metric in &gate.metrics {
        let _ = writeln!(text, "  {}", metric_line(record, metric));
    }
    for limit in &gate.limits {
        let _ = writeln!(text, "  {}", limit_line(record, limit));
    }
    for warning in noise_floor::warnings(record) {
        let _ = writeln!(text, "  {}", styled(UNSURE, &warning));
    }
    if let Some(hint) = noise_floor::hint(record) {
        let _ = writeln!(text, "  {}", styled(QUIET, &hint));
    }
}

fn limit_line(record: &Record, limit: &LimitVerdict) -> String {
    format!("{}: {}{}", limit_name(limit), word(limit.verdict), limit_grounds(record, limit))
}

fn metric_line(record: &Record, metric: &MetricVerdict) -> String {
    format!("{}: {}{}", metric_name(metric), word(metric.verdict), metric_grounds(record, metric))
}

/// A verdict in its colour.
fn word(verdict: Verdict) -> String {
    let style = match verdict {
        Verdict::Pass | Verdict::Improved => GOOD,
        Verdict::Inconclusive | Verdict::Incomparable => UNSURE,
        Verdict::Fail | Verdict::Invalid => BAD,
    };
    styled(style, verdict_word(verdict))
}
