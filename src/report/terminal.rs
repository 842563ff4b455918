//! The record as a person reads it in a terminal. Styled with ANSI sequences, which the printer strips where they are
//! not wanted (`NO_COLOR`, a pipe).

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};
use comfy_table::{CellAlignment, Table, presets};

use super::numbers::three_digits;
use super::{changes, checks, speed, validation};
use crate::record::{FactsVerdict, LooksRecord, MetricVerdict, Record, Verdict};

pub(super) const TITLE: Style = Style::new().bold();
pub(super) const GOOD: Style = AnsiColor::Green.on_default();
pub(super) const BAD: Style = AnsiColor::Red.on_default().bold();
pub(super) const UNSURE: Style = AnsiColor::Yellow.on_default();
pub(super) const QUIET: Style = Style::new().dimmed();

/// The whole report.
#[must_use]
pub fn render(record: &Record) -> String {
    let mut text = String::new();
    title(&mut text, record);
    checks::section(&mut text, record);
    changes::section(&mut text, record);
    let mut loads: Vec<&str> = Vec::new();
    for estimate in &record.estimates {
        if !loads.contains(&estimate.load.as_str()) && !record.rounds.is_empty() {
            loads.push(&estimate.load);
        }
    }
    // Those that validate others have no estimates.
    loads.extend(record.validations.iter().map(|validation| validation.by.as_str()));
    for load in loads {
        speed::section(&mut text, record, load);
    }
    for validation in &record.validations {
        validation::section(&mut text, validation);
    }
    gate(&mut text, record);
    text
}

pub(super) fn styled(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}

fn title(text: &mut String, record: &Record) {
    let provenance = &record.provenance;
    let _ = writeln!(text, "{}", styled(TITLE, provenance.title.as_deref().unwrap_or(&provenance.scenario)));
    let machine = &provenance.machine;
    let place = |cores: &[u16]| match cores {
        [] => "unpinned".to_owned(),
        cores => format!("on core {}", cores.iter().map(u16::to_string).collect::<Vec<_>>().join(", ")),
    };
    let line = format!(
        "{} · {} · {} · stacks {}, load {}",
        machine.cpu,
        counted(machine.cores, "core"),
        machine.kernel,
        place(&provenance.stack_cores),
        place(&provenance.load_cores),
    );
    let _ = writeln!(text, "{}", styled(QUIET, &line));
    if provenance.is_short {
        let _ = writeln!(text, "{}", styled(QUIET, "the short form: a first look, compared with no snapshot"));
    }
    text.push('\n');
}

/// So many stacks are told of together, in tables; fewer one after the other.
const MANY: usize = 5;

/// How long a list of names may get before it goes on in the next line.
pub(super) const WIDTH: usize = 90;

/// Whether a record has many stacks.
pub(super) fn has_many_stacks(record: &Record) -> bool {
    record.stacks.len() >= MANY
}

/// Names in lines of about `width` characters, parted by commas.
pub(super) fn listed(names: &[&str], width: usize) -> String {
    let mut lines: Vec<String> = Vec::new();
    for (index, name) in names.iter().enumerate() {
        let word = if index + 1 < names.len() { format!("{name},") } else { (*name).to_owned() };
        match lines.last_mut().filter(|line| line.chars().count() + 1 + word.chars().count() <= width) {
            Some(line) => {
                line.push(' ');
                line.push_str(&word);
            }
            None => lines.push(word),
        }
    }
    lines.join("\n")
}

/// A number of things, in words that agree with it.
pub(super) fn counted(count: usize, thing: &str) -> String {
    if count == 1 { format!("1 {thing}") } else { format!("{count} {thing}s") }
}

fn gate(text: &mut String, record: &Record) {
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
    for warning in record.below_noise_floor.iter().flatten() {
        let percent = |fraction: f64| three_digits(fraction * 100.0);
        let said = format!(
            "the margin of {} under {} is {} %, below this machine's noise floor of {} %; more blocks or a wider margin",
            warning.metric,
            warning.load,
            percent(warning.margin),
            percent(warning.noise_floor),
        );
        let _ = writeln!(text, "  {}", styled(UNSURE, &said));
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

pub(super) fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_header(header.iter().map(|name| (*name).to_owned()));
    table
}

pub(super) fn right_aligned(table: &mut Table, columns: std::ops::Range<usize>) {
    for index in columns {
        if let Some(column) = table.column_mut(index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
}

pub(super) fn indented(table: &Table) -> String {
    table.to_string().lines().map(|line| format!(" {}", line.trim_end())).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests;
