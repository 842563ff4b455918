//! Verdicts and tables of a comparison of two runs, in words.

use super::{MetricRepeatability, Repeatability, StackRepeatability};
use crate::report::numbers::{counted, three_digits};
use crate::report::view::text_table::NO_VALUE;

#[must_use]
pub fn loads(repeatability: &Repeatability) -> Vec<&str> {
    let mut loads: Vec<&str> = repeatability.metrics.iter().map(|one| one.load.as_str()).collect();
    loads.dedup();
    loads
}

#[must_use]
pub fn verdict(one: &MetricRepeatability) -> String {
    let pairs = &one.pairs;
    let [first, second] = pairs.in_one.each_ref().map(Vec::len);
    let summary = format!(
        "told apart: {} of {} in both runs, {} in one only, {} in neither",
        pairs.in_both,
        counted(pairs.total(), "pair"),
        first + second,
        pairs.in_neither
    );
    let short = if one.has_too_few_blocks { "; too few blocks to tell this many stacks apart" } else { "" };
    match one.agrees() {
        Some(true) => return format!("ranks agree; {summary}{short}"),
        None => return format!("no verdict; {summary}{short}"),
        Some(false) => {}
    }
    let mut problems = Vec::new();
    let mut report = |count: usize, what: &str, then: &str| {
        problems.extend((count > 0).then(|| format!("{}{then}", counted(count, what))));
    };
    report(pairs.reversed.len(), "pair", " told apart in opposite orders");
    report(one.moved().count(), "stack", " with separate rank ranges");
    report(one.missing.len(), "stack", " in one run only");
    let apart = format!(" with medians more than {} % apart", three_digits(one.tolerance * 100.0));
    report(one.apart().count(), "stack", &apart);
    format!("{}; {summary}{short}", problems.join(", "))
}

/// How far apart the medians are.
#[must_use]
pub fn distance(one: &MetricRepeatability) -> String {
    let Some(((stack, ratio), typical)) = one.largest_change().zip(one.typical_change()) else { return String::new() };
    format!("; medians typically {} % apart, most of all {stack} ({ratio:.3} ×)", three_digits(typical * 100.0))
}

/// A line for each disagreement.
#[must_use]
pub fn disagreements(one: &MetricRepeatability) -> Vec<String> {
    let mut lines: Vec<String> =
        one.pairs.reversed.iter().map(|(first, second)| format!("{first} ahead of {second}, then behind it")).collect();
    lines.extend(one.moved().map(|StackRepeatability { stack, ranks: [first, second], .. }| {
        format!("{stack}: rank {first}, then {second}")
    }));
    lines.extend(one.missing.iter().map(|(stack, run)| {
        format!("{stack}: has a rank in the {} run only", if *run == 0 { "first" } else { "second" })
    }));
    lines.extend(one.apart().map(|(StackRepeatability { stack, ratio, .. }, distance)| {
        let percent = three_digits(distance * 100.0);
        format!("{stack}: the medians are {percent} % apart ({:.3} ×)", ratio.unwrap_or(1.0))
    }));
    lines
}

/// A line for each run that alone tells some pairs apart.
#[must_use]
pub fn in_one_only(one: &MetricRepeatability) -> Vec<String> {
    let line = |(pairs, run): (&Vec<(String, String)>, &str)| {
        let orders: Vec<String> = pairs.iter().map(|(better, worse)| format!("{better} ahead of {worse}")).collect();
        (!orders.is_empty()).then(|| format!("in the {run} only: {}", orders.join(", ")))
    };
    one.pairs.in_one.iter().zip(["first", "second"]).filter_map(line).collect()
}

/// The cell of a stack, by one metric.
pub type Cell = fn(&StackRepeatability) -> Option<String>;

/// The tables of a load: their titles and cells.
pub const TABLES: [(&str, Cell); 2] = [
    ("ranks in the first run, and in the second", |one| {
        let [first, second] = &one.ranks;
        Some(if first.to_string() == second.to_string() { first.to_string() } else { format!("{first}, {second}") })
    }),
    ("the median of the second run, divided by that of the first", |one| Some(format!("{:.3}", one.ratio?))),
];

/// A row for each stack: its name, then a cell per metric.
#[must_use]
pub fn rows(metrics: &[&MetricRepeatability], cell: Cell) -> Vec<Vec<String>> {
    let mut names: Vec<&str> = Vec::new();
    for stack in metrics.iter().flat_map(|one| &one.stacks) {
        if !names.contains(&stack.stack.as_str()) {
            names.push(&stack.stack);
        }
    }
    let stack_cell = |one: &MetricRepeatability, name: &str| {
        one.stacks.iter().find(|stack| stack.stack == name).and_then(cell).unwrap_or_else(|| NO_VALUE.to_owned())
    };
    let row =
        |name: &str| std::iter::once(name.to_owned()).chain(metrics.iter().map(|one| stack_cell(one, name))).collect();
    names.into_iter().map(row).collect()
}
