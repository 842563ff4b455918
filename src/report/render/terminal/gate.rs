//! Did it change?

use std::fmt::Write as _;

use super::style::{BAD, GOOD, QUIET, TITLE, UNSURE, styled};
use crate::record::{FactsVerdict, LooksRecord, MetricVerdict, Record, Verdict};
use crate::report::numbers::{counted, three_digits};

pub(super) fn section(text: &mut String, record: &Record) {
    let gate = &record.gate;
    let _ = writeln!(text, "{}", styled(TITLE, "Did it change?"));
    let facts = match gate.facts {
        FactsVerdict::NotCompared => styled(QUIET, "exact facts: not compared (only a whole `lab run` is)"),
        FactsVerdict::New => styled(UNSURE, "exact facts: no snapshot is committed yet"),
        FactsVerdict::Same => styled(GOOD, "exact facts: as in the snapshot"),
        FactsVerdict::Changed => styled(BAD, "exact facts: not as in the snapshot"),
    };
    let _ = writeln!(text, "  {facts}");
    if gate.errors_under_load > 0 {
        let style = if gate.facts == FactsVerdict::Same { QUIET } else { BAD };
        let errors = format!("{} under load", counted(gate.errors_under_load as usize, "error"));
        let _ = writeln!(text, "  {}", styled(style, &errors));
    }
    if gate.without_valid_rounds > 0 {
        let without = format!("{} without a valid round", counted(gate.without_valid_rounds, "stack"));
        let _ = writeln!(text, "  {}", styled(BAD, &without));
    }
    let LooksRecord { declared, made } = &record.looks;
    if declared.len() > 1 {
        let declared = declared.iter().map(u32::to_string).collect::<Vec<_>>().join(", ");
        let _ =
            writeln!(text, "  {}", styled(QUIET, &format!("looked {made} times, of those after {declared} blocks")));
    }
    for metric in &gate.metrics {
        let _ = writeln!(text, "  {}", metric_line(metric));
    }
    for metric in record.below_noise_floor.iter().flatten() {
        let percent = |fraction: f64| three_digits(fraction * 100.0);
        let warning = format!(
            "the margin of {} under {} is {} %, below this machine's noise floor of {} %; more blocks or a wider margin",
            metric.metric,
            metric.load,
            percent(metric.margin),
            percent(metric.noise_floor),
        );
        let _ = writeln!(text, "  {}", styled(UNSURE, &warning));
    }
    if record.below_noise_floor.is_none() && !gate.metrics.is_empty() {
        let hint = format!(
            "how small a change this machine can find is not known: `lab calibrate {}`",
            record.provenance.file
        );
        let _ = writeln!(text, "  {}", styled(QUIET, &hint));
    }
}

fn metric_line(metric: &MetricVerdict) -> String {
    let (style, word) = match metric.verdict {
        Verdict::Pass => (GOOD, "pass"),
        Verdict::Fail => (BAD, "FAIL"),
        Verdict::Improved => (GOOD, "improved"),
        Verdict::Inconclusive => (UNSURE, "inconclusive"),
        Verdict::Incomparable => (UNSURE, "incomparable"),
        Verdict::Invalid => (BAD, "invalid"),
    };
    let mut line = format!("{} under {} of {}: {}", metric.metric, metric.load, metric.stack, styled(style, word));
    if let Some(change) = metric.change {
        let percent = |ratio: f64| (ratio - 1.0) * 100.0;
        let _ = write!(line, " ({:+.1} % … {:+.1} %, ", percent(change.lower), percent(change.upper));
        let _ = write!(line, "margin {} %, {} rounds)", three_digits(metric.margin * 100.0), metric.rounds);
    }
    if let Some(further) = metric.further_rounds {
        let _ = write!(line, "; {further} more rounds would probably decide it");
    }
    if let Some(because) = &metric.because {
        let _ = write!(line, ": {because}");
    }
    line
}
