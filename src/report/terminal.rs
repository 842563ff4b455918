//! The record as a person reads it in a terminal. Styled with ANSI sequences, which the printer strips where they are
//! not wanted (`NO_COLOR`, a pipe).

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};
use comfy_table::{CellAlignment, Table, presets};

use super::loads;
use super::numbers::{bytes, grouped, micros, three_digits};
use crate::measure::contention::Contention;
use crate::measure::stats;
use crate::record::{
    CheckOutcome, CheckRecord, Estimate, FactsVerdict, LooksRecord, Measured, MetricVerdict, Objection, Record,
    RoundOutcome, StackDifferences, StackRecord, Validation, Verdict,
};
use crate::scenario::model::Metric;
use crate::stack::Role;

pub(super) const TITLE: Style = Style::new().bold();
const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default().bold();
const UNSURE: Style = AnsiColor::Yellow.on_default();
pub(super) const QUIET: Style = Style::new().dimmed();

/// The whole report.
#[must_use]
pub fn render(record: &Record) -> String {
    let mut text = String::new();
    title(&mut text, record);
    checks(&mut text, record);
    for differences in &record.differences {
        changes(&mut text, differences);
    }
    let mut loads: Vec<&str> = Vec::new();
    for estimate in &record.estimates {
        if !loads.contains(&estimate.load.as_str()) && !record.rounds.is_empty() {
            loads.push(&estimate.load);
        }
    }
    // Those that validate others have no estimates.
    loads.extend(record.validations.iter().map(|validation| validation.by.as_str()));
    for load in loads {
        self::load(&mut text, record, load);
    }
    for validation in &record.validations {
        validated(&mut text, validation);
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

fn checks(text: &mut String, record: &Record) {
    let _ = writeln!(text, "{}", styled(TITLE, "Is it right?"));
    for stack in &record.stacks {
        let parts: Vec<String> =
            stack.components.iter().map(|component| format!("{} {}", component.role, component.version)).collect();
        let _ = writeln!(text, "  {}  {}  {}", stack.name, verdict_on(stack), styled(QUIET, &parts.join(" → ")));
    }
    for stack in &record.stacks {
        // The first line stands above.
        if let Some(missing) = stack.unavailable.as_ref().filter(|missing| missing.contains('\n')) {
            let _ = writeln!(text, "\n{} {}: {missing}", styled(QUIET, "unavailable"), stack.name);
        }
        if let Some(error) = &stack.error {
            let _ = writeln!(text, "\n{} {}: {error}", styled(BAD, "could not run"), stack.name);
        }
        for check in stack.checks.iter().filter(|check| !check.passed()) {
            text.push('\n');
            text.push_str(&failed_check(&stack.name, check));
        }
    }
    text.push('\n');
}

fn verdict_on(stack: &StackRecord) -> String {
    if let Some(missing) = &stack.unavailable {
        let first = missing.lines().next().unwrap_or_default();
        return styled(if stack.is_optional { QUIET } else { BAD }, &format!("unavailable: {first}"));
    }
    if stack.error.is_some() {
        return styled(BAD, "could not run");
    }
    let failed = stack.checks.iter().filter(|check| !check.passed()).count();
    match (failed, stack.checks.len()) {
        (_, 0) => styled(QUIET, "no checks"),
        (0, count) => styled(GOOD, &format!("{count} of {count} checks passed")),
        (failed, count) => styled(BAD, &format!("{failed} of {count} checks failed")),
    }
}

/// A failed check, field by field: what was expected (`-`) and what was seen (`+`), then what agreed.
#[must_use]
pub fn failed_check(stack: &str, check: &CheckRecord) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "{} {stack}: {}  {}", styled(BAD, "FAIL"), check.name, styled(QUIET, &check.request));
    match &check.outcome {
        // Never a failure: it is what was expected.
        CheckOutcome::Unanswered { .. } => {}
        CheckOutcome::Failed { error } => {
            let _ = writeln!(text, "  no answer: {error}");
        }
        CheckOutcome::Judged { findings, .. } => {
            for finding in findings.iter().filter(|finding| !finding.agrees) {
                let _ = writeln!(text, "  {}", finding.field);
                let _ = writeln!(text, "    {}", styled(GOOD, &format!("- expected  {}", finding.expected)));
                let _ = writeln!(text, "    {}", styled(BAD, &format!("+ observed  {}", finding.observed)));
            }
            let agreeing: Vec<&str> =
                findings.iter().filter(|finding| finding.agrees).map(|finding| finding.field.as_str()).collect();
            if !agreeing.is_empty() {
                let _ = writeln!(text, "  {}", styled(QUIET, &format!("as expected: {}", agreeing.join(", "))));
            }
        }
    }
    text
}

/// What a stack changes, relative to the reference stack.
fn changes(text: &mut String, found: &StackDifferences) {
    let heading = format!("What does {} change, against {}?", found.stack, found.reference);
    let _ = writeln!(text, "{}", styled(TITLE, &heading));
    if found.differences.is_empty() {
        let _ = writeln!(text, "  nothing that a check both were asked can see\n");
        return;
    }
    let mut table = table(&["", "field", &found.reference, &found.stack, "checks"]);
    for seen in &found.differences {
        let difference = &seen.difference;
        let mark = match (&difference.reference, &difference.other) {
            (None, _) => "+",
            (_, None) => "-",
            _ => "~",
        };
        let shown = |value: &Option<String>| value.as_deref().map_or_else(|| "·".to_owned(), shortened);
        table.add_row([
            mark.to_owned(),
            difference.field.clone(),
            shown(&difference.reference),
            shown(&difference.other),
            seen.checks.to_string(),
        ]);
    }
    right_aligned(&mut table, 4..5);
    let _ = writeln!(text, "{}\n", indented(&table));
}

/// One load: a row per stack, then its ratios.
fn load(text: &mut String, record: &Record, load: &str) {
    let _ = writeln!(text, "{}", styled(TITLE, &format!("How fast is it under {load}?")));
    let mut table = table(&[
        "stack",
        "rounds",
        "req/s",
        "p50",
        "p99",
        "CPU/req",
        "… proxy",
        "… server",
        "memory",
        "switches/req",
        "errors",
    ]);
    let (visited, spared): (Vec<_>, Vec<_>) = record.stacks.iter().partition(|stack| is_visited(record, load, stack));
    for stack in visited {
        table.add_row(stack_row(record, load, &stack.name));
    }
    right_aligned(&mut table, 1..11);
    let _ = writeln!(text, "{}", indented(&table));
    if let Some(line) = machine_line(record, load) {
        let _ = writeln!(text, "  {}", styled(QUIET, &line));
    }
    for rows in loads::tables(record, load) {
        let header: Vec<&str> = rows.header.iter().map(String::as_str).collect();
        let mut table = self::table(&header);
        let columns = header.len();
        table.add_rows(rows.rows);
        right_aligned(&mut table, 1..columns);
        let _ = writeln!(text, "  {}\n{}", styled(QUIET, rows.title), indented(&table));
    }
    // One that is sound was not to be driven by this load.
    for stack in spared.into_iter().filter(|stack| !stack.passed()) {
        let why = match (&stack.unavailable, &stack.error) {
            (Some(_), _) => "it is unavailable",
            (None, Some(_)) => "it could not run",
            (None, None) => "it failed its checks",
        };
        let role = if stack.reference { ", and without the reference there are no ratios" } else { "" };
        let _ = writeln!(text, "  {} was not measured: {why}{role}", stack.name);
    }
    let ratios: Vec<&Estimate> =
        record.estimates.iter().filter(|estimate| estimate.load == load && estimate.ratio.is_some()).collect();
    for estimate in ratios {
        let _ = writeln!(text, "  {}", ratio_line(estimate));
    }
    places(text, record, load);
    for (rounds, Objection { invalidates, said, .. }) in objections(record, load) {
        let (style, word) = if *invalidates { (BAD, "invalid") } else { (UNSURE, "warning") };
        let _ = writeln!(text, "  {} {rounds}: {said}", styled(style, word));
    }
    text.push('\n');
}

fn is_visited(record: &Record, load: &str, stack: &StackRecord) -> bool {
    record.rounds.iter().any(|round| round.load == load && round.stack == stack.name)
}

fn stack_row(record: &Record, load: &str, stack: &str) -> Vec<String> {
    let visits = || record.rounds.iter().filter(|round| round.load == load && round.stack == stack);
    let valid: Vec<&Measured> = visits().filter_map(|round| round.valid()).collect();
    let median = |value: &dyn Fn(&Measured) -> Option<f64>| {
        let values: Vec<f64> = valid.iter().filter_map(|measured| value(measured)).collect();
        stats::median(&values)
    };
    let shown = |value: Option<f64>, form: &dyn Fn(f64) -> String| value.map_or_else(|| "–".to_owned(), form);
    let per_request = |measured: &Measured| {
        let used = measured.components.iter().map(|component| &component.used);
        let switches: u64 = used.map(|used| used.voluntary_context_switches + used.involuntary_context_switches).sum();
        (measured.answered > 0).then(|| switches as f64 / measured.answered as f64)
    };
    // Shared pages once, where the kernel tells; once per process, where it does not.
    let memory = |measured: &Measured| {
        let peaks = measured.components.iter().map(|component| component.peaks);
        Some(peaks.map(|peaks| peaks.peak_pss_bytes.unwrap_or(peaks.peak_rss_bytes)).sum::<u64>() as f64)
    };
    let has = |role: Role| valid.iter().any(|measured| measured.components.iter().any(|part| part.role == role));
    let cpu_of = |role: Role| match has(role) {
        true => shown(median(&|measured| measured.cpu_per_request_us(Some(role))), &micros),
        false => "·".to_owned(),
    };
    vec![
        stack.to_owned(),
        format!("{}/{}", valid.len(), visits().count()),
        shown(median(&|measured| measured.metric(Metric::Throughput)), &grouped),
        shown(median(&|measured| measured.metric(Metric::P50)), &micros),
        shown(median(&|measured| measured.metric(Metric::P99)), &micros),
        shown(median(&|measured| measured.metric(Metric::CpuPerRequest)), &micros),
        cpu_of(Role::Proxy),
        cpu_of(Role::Server),
        shown(median(&memory), &|value| bytes(value as u64)),
        shown(median(&per_request), &three_digits),
        errors(record, load, stack),
    ]
}

/// What the machine went through in the rounds of a load: the median, and the worst; nothing where it does not tell.
fn machine_line(record: &Record, load: &str) -> Option<String> {
    let measured = record.rounds.iter().filter(|round| round.load == load).filter_map(|round| match &round.outcome {
        RoundOutcome::Measured(measured) => Some(measured.as_ref()),
        RoundOutcome::Failed { .. } | RoundOutcome::Unavailable { .. } => None,
    });
    let measured: Vec<&Measured> = measured.collect();
    let share = |name: &str, of: fn(&Contention) -> Option<u64>| {
        let share =
            |measured: &&&Measured| Some(of(&measured.machine)? as f64 / measured.machine.over_us.max(1) as f64);
        let shares: Vec<f64> = measured.iter().filter_map(|one| share(&one)).collect();
        let worst = shares.iter().copied().fold(0.0, f64::max) * 100.0;
        Some(format!("{name} {:.1} % of the time, {worst:.1} % at worst", stats::median(&shares)? * 100.0))
    };
    let told = [
        share("tasks waited for a CPU", |machine| machine.cpu_pressure_us),
        share("stolen by the hypervisor", |machine| machine.stolen_us),
    ];
    let told: Vec<String> = told.into_iter().flatten().collect();
    (!told.is_empty()).then(|| format!("the machine: {}", told.join(" · ")))
}

/// Every error of every round, by class: none is averaged away.
fn errors(record: &Record, load: &str, stack: &str) -> String {
    let mut classes = std::collections::BTreeMap::new();
    let mut failed_rounds = 0;
    for round in record.rounds.iter().filter(|round| round.load == load && round.stack == stack) {
        match &round.outcome {
            RoundOutcome::Measured(measured) => {
                for (class, count) in &measured.failed {
                    *classes.entry(class.name()).or_insert(0) += count;
                }
            }
            RoundOutcome::Failed { .. } => failed_rounds += 1,
            RoundOutcome::Unavailable { missing } => return format!("unavailable: {missing}"),
        }
    }
    let mut words: Vec<String> = classes.iter().map(|(class, count): (_, &u64)| format!("{count} {class}")).collect();
    if failed_rounds > 0 {
        words.push(counted(failed_rounds, "round") + " could not run");
    }
    if words.is_empty() { "0".to_owned() } else { words.join(", ") }
}

fn ratio_line(estimate: &Estimate) -> String {
    // OK because only estimates with a ratio are shown
    let ratio = estimate.ratio.as_ref().expect("a ratio");
    let interval = match ratio.interval {
        Some(interval) => format!(
            "{:.2} … {:.2} ({:.1} % confidence, {} blocks)",
            interval.lower,
            interval.upper,
            interval.confidence * 100.0,
            ratio.log_ratios.len()
        ),
        None => format!("no interval from {}", counted(ratio.log_ratios.len(), "block")),
    };
    let what = format!("{} of {}", estimate.metric, estimate.stack);
    let mut line = format!("{what:<28} {:.2} × {}   {}", ratio.ratio, ratio.reference, styled(QUIET, &interval));
    if !ratio.driver_bound.is_empty() {
        let bound = format!("the driver set the pace on {}", ratio.driver_bound.join(" and "));
        let _ = write!(line, "  {}", styled(UNSURE, &bound));
    }
    line
}

/// A number of things, in words that agree with it.
fn counted(count: usize, thing: &str) -> String {
    if count == 1 { format!("1 {thing}") } else { format!("{count} {thing}s") }
}

/// What speaks against rounds of this load: each kind once per stack, with how many rounds show it.
fn objections<'a>(record: &'a Record, load: &str) -> Vec<(String, &'a Objection)> {
    let mut seen: Vec<(&str, u32, &Objection)> = Vec::new();
    for round in record.rounds.iter().filter(|round| round.load == load) {
        let RoundOutcome::Measured(measured) = &round.outcome else { continue };
        for objection in &measured.objections {
            match seen.iter_mut().find(|(stack, _, known)| *stack == round.stack && known.kind == objection.kind) {
                Some((_, count, _)) => *count += 1,
                None => seen.push((&round.stack, 1, objection)),
            }
        }
    }
    let named = |(stack, count, objection)| {
        (format!("{stack}, {count} {}", if count == 1 { "round" } else { "rounds" }), objection)
    };
    seen.into_iter().map(named).collect()
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

/// A load by two drivers: what each stack came to by either.
fn validated(text: &mut String, validation: &Validation) {
    let Validation { load, driver, by, by_driver, missing, stacks } = validation;
    let _ = writeln!(text, "{}", styled(TITLE, &format!("Does {by_driver} see the same under {load}?")));
    if let Some(missing) = missing {
        let _ = writeln!(text, "  {} {by} was left out: {missing}\n", styled(UNSURE, "unavailable"));
        return;
    }
    let mut table = table(&["stack", &format!("{driver}, req/s"), &format!("{by_driver}, req/s"), "ratio"]);
    for stack in stacks {
        let shown = |value: Option<f64>, form: fn(f64) -> String| value.map_or_else(|| "–".to_owned(), form);
        table.add_row([
            stack.stack.clone(),
            shown(stack.own_per_s, grouped),
            shown(stack.other_per_s, grouped),
            shown(stack.ratio(), |ratio| format!("{ratio:.2}")),
        ]);
    }
    right_aligned(&mut table, 1..4);
    let _ = writeln!(text, "{}\n", indented(&table));
}

/// Who shares which place under a load, a line per metric; nothing where there is nobody to compare with.
fn places(text: &mut String, record: &Record, load: &str) {
    for placed in record.places.iter().filter(|placed| placed.load == load) {
        let mut place = 1;
        let mut shown: Vec<String> = Vec::new();
        for tier in &placed.tiers {
            shown.push(format!("{place}. {}", tier.join(" = ")));
            place += tier.len();
        }
        shown.extend(placed.unplaced.iter().map(|stack| format!("without a place: {stack}")));
        let needed = placed.blocks_needed.map(|blocks| format!("   told apart from {blocks} blocks on"));
        let what = format!("places by {}", placed.metric);
        let _ = writeln!(text, "  {what:<28} {}{}", shown.join("   "), styled(QUIET, &needed.unwrap_or_default()));
    }
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

/// Enough of a value to recognise it in a table.
fn shortened(value: &str) -> String {
    const SHOWN: usize = 36;
    // A control character would move the cursor instead of being shown.
    let one_line = value.replace("\r\n", "\n").replace('\n', " ⏎ ").replace(char::is_control, "\u{fffd}");
    if one_line.chars().count() <= SHOWN {
        return if one_line.is_empty() { "\"\"".to_owned() } else { one_line };
    }
    one_line.chars().take(SHOWN - 1).chain(['…']).collect()
}
