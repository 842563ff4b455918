//! A comparison of two versions: its answer in one sentence, and the figures of both side by side.

use serde::Serialize;

use super::changes::value_cell;
use super::text_table::{TextTable, owned_cells};
use super::verdict::{amount, label, verdict_word};
use crate::record::{
    ComparedVersions, Estimate, GrowthEstimate, LimitVerdict, MetricVerdict, Record, StackRecord, Verdict,
    VersionRecord,
};
use crate::report::numbers::{counted, three_digits};
use crate::scenario::model::{Growth, base_name, head_name};

/// How many of several differences a sentence names.
const NAMED: usize = 3;

/// How the answer is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tone {
    Good,
    Bad,
    Unsure,
}

/// Whether the change broke something, in one sentence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Answer {
    pub text: String,
    pub tone: Tone,
}

/// Both versions in words.
#[must_use]
pub fn versions(comparison: &ComparedVersions) -> String {
    format!("{}, compared with {}", version(&comparison.head), version(&comparison.base))
}

fn version(version: &VersionRecord) -> String {
    let changes = if version.is_modified { " with uncommitted changes" } else { "" };
    match &version.commit {
        Some(commit) => format!("{} ({}{changes})", version.name, commit.get(..12).unwrap_or(commit)),
        None => version.name.clone(),
    }
}

/// The answer of a record with a comparison.
#[must_use]
pub fn answer(record: &Record) -> Answer {
    let clauses = Clauses::new(record);
    let bad = [&clauses.broken, &clauses.slower, &clauses.over_limit, &clauses.errors];
    let is_bad = bad.iter().any(|clause| clause.is_some());
    let unsure = [&clauses.not_compared, &clauses.undecided];
    let facts = match (&clauses.differences, is_bad) {
        (Some(differences), false) => Some(format!("the same but for {differences}")),
        (Some(differences), true) => Some(format!("different: {differences}")),
        (None, false) if clauses.not_compared.is_none() => Some(clauses.same(record)),
        (None, _) => None,
    };
    let tone = match () {
        () if is_bad || clauses.differences.is_some() => Tone::Bad,
        () if unsure.iter().any(|clause| clause.is_some()) => Tone::Unsure,
        () => Tone::Good,
    };
    let [broken, slower, over_limit, errors] = bad;
    let all = [&clauses.not_compared, broken, slower, over_limit, errors, &facts, &clauses.faster, &clauses.undecided];
    Answer { text: all.into_iter().flatten().cloned().collect::<Vec<_>>().join("; "), tone }
}

/// The parts of the answer, where they apply.
struct Clauses {
    not_compared: Option<String>,
    broken: Option<String>,
    slower: Option<String>,
    over_limit: Option<String>,
    errors: Option<String>,
    differences: Option<String>,
    faster: Option<String>,
    undecided: Option<String>,
}

impl Clauses {
    fn new(record: &Record) -> Clauses {
        let gate = &record.gate;
        let metrics = |verdict: Verdict| gate.metrics.iter().filter(move |metric| metric.verdict == verdict);
        let changed = |lead: &str, verdict| {
            clause(lead, &metrics(verdict).map(|metric| change(record, metric)).collect::<Vec<_>>())
        };
        let limits = gate.limits.iter().filter(|limit| limit.verdict == Verdict::Fail);
        let undecided = [Verdict::Inconclusive, Verdict::Incomparable, Verdict::Invalid];
        let is_undecided = |verdict: Verdict| undecided.contains(&verdict);
        let open = gate.metrics.iter().filter(|metric| is_undecided(metric.verdict));
        let open = open.map(|metric| subject(record, &metric.metric, &metric.stack, &metric.load));
        let open_limits = gate.limits.iter().filter(|limit| is_undecided(limit.verdict));
        let open_limits = open_limits
            .map(|limit| format!("the limit of {}", subject(record, &limit.metric, &limit.stack, &limit.load)));
        Clauses {
            not_compared: clause("not compared: ", &not_run(record)),
            broken: clause("broken: ", &failed_checks(record)),
            slower: changed("slower: ", Verdict::Fail),
            over_limit: clause("beyond the limit: ", &limits.map(|limit| excess(record, limit)).collect::<Vec<_>>()),
            errors: (gate.errors_under_load > 0).then(|| {
                format!(
                    "new under load: {}",
                    counted(usize::try_from(gate.errors_under_load).unwrap_or(usize::MAX), "error")
                )
            }),
            differences: clause("", &differences(record)),
            faster: changed("faster: ", Verdict::Improved),
            undecided: clause("undecided: ", &open.chain(open_limits).collect::<Vec<_>>()),
        }
    }

    fn same(&self, record: &Record) -> String {
        let is_within = record.gate.metrics.iter().any(|metric| metric.verdict == Verdict::Pass);
        match is_within && self.undecided.is_none() {
            true => "the same, within the margins".to_owned(),
            false => "the same".to_owned(),
        }
    }
}

/// The first few items after the lead; `None` if there is none.
fn clause(lead: &str, items: &[String]) -> Option<String> {
    let more = items.len().saturating_sub(NAMED);
    let named = items.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
    match (items.is_empty(), more) {
        (true, _) => None,
        (false, 0) => Some(format!("{lead}{named}")),
        (false, more) => Some(format!("{lead}{named} and {more} more")),
    }
}

fn not_run(record: &Record) -> Vec<String> {
    // A combination of a matrix may be impossible here.
    let is_missing = |stack: &&StackRecord| stack.unavailable.is_some() && stack.is_optional;
    let stacks = record.stacks.iter().filter(|stack| !stack.has_run() && !is_missing(stack));
    let stacks = stacks.map(|stack| match head_name(&stack.name) {
        Some(head) => format!("`{head}` could not run as it was"),
        None => format!("`{}` could not run", stack.name),
    });
    stacks.collect()
}

fn failed_checks(record: &Record) -> Vec<String> {
    let heads = record.stacks.iter().filter(|stack| head_name(&stack.name).is_none());
    let failed = heads.flat_map(|stack| {
        let base = record.stacks.iter().find(|base| base.name == base_name(&stack.name));
        let failed = stack.checks.iter().filter(|check| !check.passed());
        failed.map(move |check| {
            let before = base.and_then(|base| base.checks.iter().find(|before| before.name == check.name));
            let since = if before.is_some_and(|before| !before.passed()) { ", as before," } else { "" };
            format!("\"{}\"{since} of `{}`", check.name, stack.name)
        })
    });
    failed.collect()
}

fn differences(record: &Record) -> Vec<String> {
    let of_stacks = record.differences.iter().flat_map(|found| {
        found.differences.iter().map(|seen| {
            let difference = &seen.difference;
            let what = format!("{} of `{}`", difference.field, found.stack);
            let value = |value: &Option<String>| value_cell(value.as_deref());
            match (&difference.reference, &difference.other) {
                (Some(_), None) => format!("{what} (gone; was {})", value(&difference.reference)),
                (None, _) => format!("{what} (new: {})", value(&difference.other)),
                (Some(_), Some(_)) => {
                    format!("{what} ({}; was {})", value(&difference.other), value(&difference.reference))
                }
            }
        })
    });
    of_stacks.collect()
}

/// A metric of a stack, and the load if there are several.
fn subject(record: &Record, metric: &str, stack: &str, load: &str) -> String {
    let gate = &record.gate;
    let loads = gate.metrics.iter().map(|metric| &metric.load).chain(gate.limits.iter().map(|limit| &limit.load));
    let under = if loads.into_iter().any(|other| other != load) { format!(" under {load}") } else { String::new() };
    format!("{} of `{stack}`{under}", label(metric))
}

fn change(record: &Record, metric: &MetricVerdict) -> String {
    let subject = subject(record, &metric.metric, &metric.stack, &metric.load);
    let ratio = metric.ratio.map_or_else(String::new, |ratio| format!(" {ratio:.2}"));
    match metric.change {
        Some(change) => format!("{subject}{ratio} ({:.2} … {:.2})", change.lower, change.upper),
        None => format!("{subject}{ratio}"),
    }
}

fn excess(record: &Record, limit: &LimitVerdict) -> String {
    let subject = subject(record, &limit.metric, &limit.stack, &limit.load);
    let value = limit.value.map_or_else(String::new, |value| format!(" {}", amount(&limit.metric, value)));
    format!("{subject}{value}, limit {}", amount(&limit.metric, limit.limit))
}

/// The figures of both versions under one load: a row for each stack and metric. `None` if nothing was measured.
#[must_use]
pub fn table(record: &Record, load: &str) -> Option<TextTable> {
    let heads =
        record.estimates.iter().filter(|estimate| estimate.load == load && head_name(&estimate.stack).is_none());
    let mut rows: Vec<Vec<String>> = heads.filter_map(|estimate| row(record, estimate)).collect();
    rows.extend(record.growth.iter().filter(|head| head.load == load).filter_map(|head| growth_row(record, head)));
    let header = ["stack", "metric", "before", "now", "ratio", "interval", "verdict"];
    let title = "each stack against itself as it was".to_owned();
    (!rows.is_empty()).then(|| TextTable { title, header: owned_cells(&header), rows })
}

fn row(record: &Record, head: &Estimate) -> Option<Vec<String>> {
    let is_base = |estimate: &&Estimate| {
        estimate.load == head.load && estimate.metric == head.metric && estimate.stack == base_name(&head.stack)
    };
    let base = record.estimates.iter().find(is_base)?;
    let none = || "·".to_owned();
    let cell = |value: Option<f64>| value.map_or_else(none, |value| amount(&head.metric, value));
    let verdict = record
        .gate
        .metrics
        .iter()
        .find(|verdict| verdict.load == head.load && verdict.stack == head.stack && verdict.metric == head.metric);
    let ratio = head.ratio.as_ref();
    // The second sample decides, and so its ratio goes with its interval.
    let second = verdict.filter(|verdict| verdict.first.is_some()).and_then(|verdict| verdict.ratio);
    let shown = second.or_else(|| ratio.map(|ratio| ratio.ratio));
    // The gate's interval allows for everything that it judges, and so is the wider one.
    let gated = verdict.and_then(|verdict| verdict.change);
    let interval = gated.or_else(|| ratio.and_then(|ratio| ratio.interval));
    Some(vec![
        head.stack.clone(),
        label(&head.metric),
        cell(base.median),
        cell(head.median),
        shown.map_or_else(none, |ratio| format!("{ratio:.3}")),
        interval.map_or_else(none, |interval| format!("{:.3} … {:.3}", interval.lower, interval.upper)),
        verdict.map_or_else(|| "no margin".to_owned(), verdict_cell),
    ])
}

/// The growth of both versions, and by how much it has changed.
fn growth_row(record: &Record, head: &GrowthEstimate) -> Option<Vec<String>> {
    let change = head.change?;
    let growth = Growth::by_name(&head.metric)?;
    let is_same = |load: &str, metric: &str| load == head.load && metric == head.metric;
    let base =
        record.growth.iter().find(|base| base.stack == base_name(&head.stack) && is_same(&base.load, &base.metric))?;
    let limit =
        record.gate.limits.iter().find(|limit| limit.stack == head.stack && is_same(&limit.load, &limit.metric));
    // Descriptors, threads and connections that do not grow are no news.
    let is_flat = [head.per_request, base.per_request].iter().all(|per_request| *per_request == 0.0);
    if is_flat && growth != Growth::Memory && limit.is_none() {
        return None;
    }
    let sign = if change.per_request > 0.0 { "+" } else { "" };
    let interval = change.interval.map_or_else(
        || "·".to_owned(),
        |interval| format!("{} … {}", growth.display(interval.lower), growth.display(interval.upper)),
    );
    Some(vec![
        head.stack.clone(),
        label(&head.metric),
        growth.display(base.per_request),
        growth.display(head.per_request),
        format!("{sign}{}", growth.display(change.per_request)),
        interval,
        limit.map_or_else(
            || "no limit".to_owned(),
            |limit| format!("{}, limit {}", verdict_word(limit.verdict), growth.display(limit.limit)),
        ),
    ])
}

fn verdict_cell(verdict: &MetricVerdict) -> String {
    format!("{}, margin {} %", verdict_word(verdict.verdict), three_digits(verdict.margin * 100.0))
}
