//! How fast is it under a load, and what does it cost? A row per stack, then what the rows come to.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::numbers::{bytes, grouped, micros, three_digits};
use super::terminal::{QUIET, TITLE, counted, has_many_stacks, indented, right_aligned, styled, table};
use super::{against, loads, objections};
use crate::measure::contention::Contention;
use crate::record::{Estimate, Measured, Record, RoundOutcome, RoundRecord, StackRecord};
use crate::scenario::model::Metric;
use crate::stack::Role;
use lab_stats::sample;

/// One load: a row per stack, then its ratios.
pub(super) fn section(text: &mut String, record: &Record, load: &str) {
    let _ = writeln!(text, "{}", styled(TITLE, &format!("How fast is it under {load}?")));
    let is_many = has_many_stacks(record);
    let columns = Columns {
        // One server without a proxy is the whole of its stack.
        by_part: !is_many || record.stacks.iter().any(|stack| stack.components.len() > 1),
        memory_at_rest: knows_memory_at_rest(record, load),
    };
    let header = columns.header();
    let mut table = table(&header);
    let (visited, mut spared): (Vec<_>, Vec<_>) =
        record.stacks.iter().partition(|stack| is_visited(record, load, stack));
    // One that other loads have driven is sound; this one was not to drive it.
    spared.retain(|stack| !stack.passed() || record.rounds.iter().all(|round| round.stack != stack.name));
    let names = if is_many { best_first(record, load, &visited) } else { names(&visited) };
    for name in &names {
        let mut row = stack_row(record, load, name, columns);
        if is_many && record.stacks.iter().any(|stack| stack.reference && stack.name == *name) {
            row[0].push_str(" (reference)");
        }
        table.add_row(row);
    }
    // Long lists of errors at the right of a wide gap belong to no row in particular.
    right_aligned(&mut table, 1..header.len() - usize::from(is_many));
    let _ = writeln!(text, "{}", indented(&table));
    if is_many {
        let _ = writeln!(text, "  {}", styled(QUIET, "the most req/s first, here and below"));
    }
    if let Some(line) = machine_line(record, load) {
        let _ = writeln!(text, "  {}", styled(QUIET, &line));
    }
    for rows in loads::tables(record, load, &names, !is_many) {
        let header: Vec<&str> = rows.header.iter().map(String::as_str).collect();
        let mut table = self::table(&header);
        let columns = header.len();
        table.add_rows(rows.rows);
        right_aligned(&mut table, 1..columns);
        let _ = writeln!(text, "  {}\n{}", styled(QUIET, &rows.title), indented(&table));
    }
    if is_many {
        spared_together(text, &spared);
    } else {
        spared_one_by_one(text, &spared);
    }
    against::section(text, record, load, &names);
    objections::section(text, record, load);
    text.push('\n');
}

fn names<'a>(stacks: &[&'a StackRecord]) -> Vec<&'a str> {
    stacks.iter().map(|stack| stack.name.as_str()).collect()
}

/// The stacks by what they answered, the most first; those of which nothing is known come last, as the scenario has them.
fn best_first<'a>(record: &Record, load: &str, stacks: &[&'a StackRecord]) -> Vec<&'a str> {
    let median = |name: &str| {
        let is_it = |e: &&Estimate| e.load == load && e.stack == name && e.metric == Metric::Throughput.name();
        record.estimates.iter().find(is_it).and_then(|estimate| estimate.median).unwrap_or(0.0)
    };
    let mut names = names(stacks);
    names.sort_by(|one, other| median(other).total_cmp(&median(one)));
    names
}

/// Why a stack was not visited.
fn reason(stack: &StackRecord) -> &'static str {
    match (&stack.unavailable, &stack.error) {
        (Some(_), _) => "it is unavailable",
        (None, Some(_)) => "it could not run",
        (None, None) if stack.passed() => "it is only checked",
        (None, None) => "it failed its checks",
    }
}

/// What follows from a reference that was not visited.
fn consequence(stack: &StackRecord) -> &'static str {
    if stack.reference { ", and without the reference there are no ratios" } else { "" }
}

fn spared_one_by_one(text: &mut String, spared: &[&StackRecord]) {
    for stack in spared {
        let _ = writeln!(text, "  {} was not measured: {}{}", stack.name, reason(stack), consequence(stack));
    }
}

/// The same for many: a line for each reason.
fn spared_together(text: &mut String, spared: &[&StackRecord]) {
    let mut told: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for stack in spared {
        told.entry(format!("{}{}", reason(stack), consequence(stack))).or_default().push(&stack.name);
    }
    for (reason, names) in told {
        let _ = writeln!(text, "  not measured, for {reason}: {}", names.join(", "));
    }
}

fn is_visited(record: &Record, load: &str, stack: &StackRecord) -> bool {
    record.rounds.iter().any(|round| round.load == load && round.stack == stack.name)
}

/// Whether any round says what its stack held before the load; those of an earlier lab do not.
fn knows_memory_at_rest(record: &Record, load: &str) -> bool {
    let rounds = record.rounds.iter().filter(|round| round.load == load).filter_map(RoundRecord::valid);
    rounds.flat_map(|measured| &measured.components).any(|component| component.at_rest.is_some())
}

/// Which of the columns there are that not all tables have.
#[derive(Debug, Clone, Copy)]
struct Columns {
    /// CPU time of proxy and server each.
    by_part: bool,
    /// Memory before the load beside that at its peak.
    memory_at_rest: bool,
}

impl Columns {
    fn header(self) -> Vec<&'static str> {
        let parts: &[&str] = if self.by_part { &["… proxy", "… server"] } else { &[] };
        let memory: &[&str] = if self.memory_at_rest { &["memory at rest", "… at peak"] } else { &["memory"] };
        [&["stack", "rounds", "req/s", "p50", "p99", "CPU/req"], parts, memory, &["switches/req", "errors"]].concat()
    }
}

fn stack_row(record: &Record, load: &str, stack: &str, columns: Columns) -> Vec<String> {
    let visits = || record.rounds.iter().filter(|round| round.load == load && round.stack == stack);
    let valid: Vec<&Measured> = visits().filter_map(|round| round.valid()).collect();
    let median = |value: &dyn Fn(&Measured) -> Option<f64>| {
        let values: Vec<f64> = valid.iter().filter_map(|measured| value(measured)).collect();
        sample::median(&values)
    };
    let shown = |value: Option<f64>, form: &dyn Fn(f64) -> String| value.map_or_else(|| "–".to_owned(), form);
    let per_request = |measured: &Measured| {
        let used = measured.components.iter().map(|component| &component.used);
        let switches: u64 = used.map(|used| used.voluntary_context_switches + used.involuntary_context_switches).sum();
        (measured.answered > 0).then(|| switches as f64 / measured.answered as f64)
    };
    let memory = |value: &dyn Fn(&Measured) -> Option<f64>| shown(median(value), &|value| bytes(value as u64));
    let has = |role: Role| valid.iter().any(|measured| measured.components.iter().any(|part| part.role == role));
    let cpu_of = |role: Role| match has(role) {
        true => shown(median(&|measured| measured.cpu_per_request_us(Some(role))), &micros),
        false => "·".to_owned(),
    };
    let mut row = vec![
        stack.to_owned(),
        format!("{}/{}", valid.len(), visits().count()),
        shown(median(&|measured| measured.metric(Metric::Throughput)), &grouped),
        shown(median(&|measured| measured.metric(Metric::P50)), &micros),
        shown(median(&|measured| measured.metric(Metric::P99)), &micros),
        shown(median(&|measured| measured.metric(Metric::CpuPerRequest)), &micros),
    ];
    row.extend([Role::Proxy, Role::Server].into_iter().filter(|_| columns.by_part).map(cpu_of));
    row.extend(columns.memory_at_rest.then(|| memory(&Measured::memory_at_rest)));
    row.push(memory(&|measured| Some(measured.memory_at_peak())));
    row.push(shown(median(&per_request), &three_digits));
    row.push(errors(record, load, stack));
    row
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
        Some(format!("{name} {:.1} % of the time, {worst:.1} % at worst", sample::median(&shares)? * 100.0))
    };
    let told = [
        share("tasks waited for a CPU", |machine| machine.cpu_pressure_us),
        share("stolen by the hypervisor", |machine| machine.stolen_us),
    ];
    let told: Vec<String> = told.into_iter().flatten().collect();
    (!told.is_empty()).then(|| format!("the machine: {}", told.join(" · ")))
}

/// Every error of every round, by class: none is averaged away.
pub(super) fn errors(record: &Record, load: &str, stack: &str) -> String {
    let mut classes = BTreeMap::new();
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
