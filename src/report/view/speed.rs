//! The speed and cost of every stack under one load.

use std::collections::BTreeMap;

use super::provenance::has_many_stacks;
use super::text_table::{TextTable, median_cell, owned_cells};
use crate::measure::contention::Contention;
use crate::record::{Estimate, Measured, Record, RoundOutcome, RoundRecord, StackRecord};
use crate::report::numbers::{bytes, counted, grouped, micros, three_digits};
use crate::scenario::model::Metric;
use crate::stack::Role;
use lab_stats::sample;

/// The first column of the table that is about cost; those before it are about speed.
pub const FIRST_COST_COLUMN: usize = 5;

pub struct SpeedView<'a> {
    /// The stacks that the load has driven. If there are many, the fastest come first.
    pub stacks: Vec<&'a str>,
    /// A row per stack.
    pub table: TextTable,
    /// The contention for the machine's CPUs. `None` if the kernel does not report it.
    pub contention: Option<String>,
    pub unmeasured: Vec<Unmeasured<'a>>,
}

/// A stack that the load has not driven.
pub struct Unmeasured<'a> {
    pub stack: &'a str,
    /// The reason and its consequence.
    pub reason: String,
}

impl<'a> SpeedView<'a> {
    /// A line for each reason why stacks were not measured.
    #[must_use]
    pub fn unmeasured_by_reason(&self) -> Vec<String> {
        let mut by_reason: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for one in &self.unmeasured {
            by_reason.entry(&one.reason).or_default().push(one.stack);
        }
        by_reason
            .into_iter()
            .map(|(reason, stacks)| format!("not measured ({reason}): {}", stacks.join(", ")))
            .collect()
    }

    #[must_use]
    pub fn new(record: &'a Record, load: &str) -> SpeedView<'a> {
        let is_many = has_many_stacks(record);
        let columns = Columns {
            // A server without a proxy is its whole stack.
            by_role: !is_many || record.stacks.iter().any(|stack| stack.components.len() > 1),
            memory_at_rest: has_memory_at_rest(record, load),
        };
        let (driven, mut unmeasured): (Vec<_>, Vec<_>) =
            record.stacks.iter().partition(|stack| is_driven(record, load, stack));
        // A sound stack that other loads have driven was not meant for this load.
        unmeasured.retain(|stack| !stack.passed() || record.rounds.iter().all(|round| round.stack != stack.name));
        let mut stacks: Vec<&str> = driven.iter().map(|stack| stack.name.as_str()).collect();
        if is_many {
            sort_by_throughput(record, load, &mut stacks);
        }
        let row = |name: &&str| {
            let mut row = stack_row(record, load, name, columns);
            if is_many && record.stacks.iter().any(|stack| stack.reference && stack.name == *name) {
                row[0].push_str(" (reference)");
            }
            row
        };
        let rows = stacks.iter().map(row).collect();
        SpeedView {
            table: TextTable { title: String::new(), header: owned_cells(&columns.header()), rows },
            stacks,
            contention: contention(record, load),
            unmeasured: unmeasured.into_iter().map(Unmeasured::new).collect(),
        }
    }
}

impl<'a> Unmeasured<'a> {
    fn new(stack: &'a StackRecord) -> Unmeasured<'a> {
        let reason = match (&stack.unavailable, &stack.error) {
            (Some(_), _) => "unavailable",
            (None, Some(_)) => "could not run",
            (None, None) if stack.passed() => "only checked",
            (None, None) => "failed its checks",
        };
        let consequence = if stack.reference { ", so there are no ratios to the reference" } else { "" };
        Unmeasured { stack: &stack.name, reason: format!("{reason}{consequence}") }
    }
}

/// Highest median throughput first. Stacks without one come last, in the scenario's order.
fn sort_by_throughput(record: &Record, load: &str, stacks: &mut [&str]) {
    let median = |name: &str| {
        let is_throughput = |e: &&Estimate| e.load == load && e.stack == name && e.metric == Metric::Throughput.name();
        record.estimates.iter().find(is_throughput).and_then(|estimate| estimate.median).unwrap_or(0.0)
    };
    stacks.sort_by(|one, other| median(other).total_cmp(&median(one)));
}

fn is_driven(record: &Record, load: &str, stack: &StackRecord) -> bool {
    record.rounds.iter().any(|round| round.load == load && round.stack == stack.name)
}

/// Records of earlier versions of lab lack the memory before the load.
fn has_memory_at_rest(record: &Record, load: &str) -> bool {
    let rounds = record.rounds.iter().filter(|round| round.load == load).filter_map(RoundRecord::valid);
    rounds.flat_map(|measured| &measured.components).any(|component| component.at_rest.is_some())
}

/// The columns that not all tables have.
#[derive(Debug, Clone, Copy)]
struct Columns {
    /// The CPU time of proxy and server separately.
    by_role: bool,
    /// The memory before the load, beside that at its peak.
    memory_at_rest: bool,
}

impl Columns {
    fn header(self) -> Vec<&'static str> {
        let roles: &[&str] = if self.by_role { &["… proxy", "… server"] } else { &[] };
        let memory: &[&str] = if self.memory_at_rest { &["memory at rest", "… at peak"] } else { &["memory"] };
        [&["stack", "rounds", "req/s", "p50", "p99", "CPU/req"], roles, memory, &["switches/req", "errors"]].concat()
    }
}

fn stack_row(record: &Record, load: &str, stack: &str, columns: Columns) -> Vec<String> {
    let rounds = || record.rounds.iter().filter(|round| round.load == load && round.stack == stack);
    let valid: Vec<&Measured> = rounds().filter_map(|round| round.valid()).collect();
    let median = |value: &dyn Fn(&Measured) -> Option<f64>, format: &dyn Fn(f64) -> String| {
        median_cell(valid.iter().map(|measured| value(measured)), format)
    };
    let metric = |metric: Metric, format: fn(f64) -> String| median(&|measured| measured.metric(metric), &format);
    let memory = |value: &dyn Fn(&Measured) -> Option<f64>| median(value, &|value| bytes(value as u64));
    let has_role = |role: Role| valid.iter().any(|measured| measured.components.iter().any(|part| part.role == role));
    let role_cpu = |role: Role| match has_role(role) {
        true => median(&|measured| measured.cpu_per_request_us(Some(role)), &micros),
        false => "·".to_owned(),
    };
    let mut row = vec![
        stack.to_owned(),
        format!("{}/{}", valid.len(), rounds().count()),
        metric(Metric::Throughput, grouped),
        metric(Metric::P50, micros),
        metric(Metric::P99, micros),
        metric(Metric::CpuPerRequest, micros),
    ];
    row.extend([Role::Proxy, Role::Server].into_iter().filter(|_| columns.by_role).map(role_cpu));
    row.extend(columns.memory_at_rest.then(|| memory(&Measured::memory_at_rest)));
    row.push(memory(&|measured| Some(measured.memory_at_peak())));
    row.push(median(&switches_per_request, &three_digits));
    row.push(errors(record, load, stack));
    row
}

/// Unknown of components in a swarm.
fn switches_per_request(measured: &Measured) -> Option<f64> {
    let used = measured.components.iter().map(|component| &component.used);
    let switches: u64 = used.map(|used| used.voluntary_context_switches + used.involuntary_context_switches).sum();
    (measured.answered > 0 && measured.shared.is_none()).then(|| switches as f64 / measured.answered as f64)
}

/// How long tasks waited for a CPU in the rounds of a load: the median and the worst round.
fn contention(record: &Record, load: &str) -> Option<String> {
    let measured = record.rounds.iter().filter(|round| round.load == load).filter_map(|round| match &round.outcome {
        RoundOutcome::Measured(measured) => Some(measured.as_ref()),
        RoundOutcome::Failed { .. } | RoundOutcome::Unavailable { .. } => None,
    });
    let measured: Vec<&Measured> = measured.collect();
    let share = |name: &str, value: fn(&Contention) -> Option<u64>| {
        let share =
            |measured: &&Measured| Some(value(&measured.machine)? as f64 / measured.machine.over_us.max(1) as f64);
        let shares: Vec<f64> = measured.iter().filter_map(share).collect();
        let worst = shares.iter().copied().fold(0.0, f64::max) * 100.0;
        Some(format!("{name} {:.1} % of the time, {worst:.1} % at worst", sample::median(&shares)? * 100.0))
    };
    let shares = [
        share("tasks waited for a CPU", |machine| machine.cpu_pressure_us),
        share("stolen by the hypervisor", |machine| machine.stolen_us),
    ];
    let shares: Vec<String> = shares.into_iter().flatten().collect();
    (!shares.is_empty()).then(|| format!("the machine: {}", shares.join(" · ")))
}

/// The errors of all rounds by class, valid or not.
#[must_use]
pub fn errors(record: &Record, load: &str, stack: &str) -> String {
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
