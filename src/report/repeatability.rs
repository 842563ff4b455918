//! Two runs beside each other, for a terminal and as markdown.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};

use super::markdown::{escaped, table as markdown_table};
use super::numbers::three_digits;
use super::repeat::{MetricRepeated, Repeated, StackRepeated};
use super::terminal::{QUIET, TITLE, counted, indented, right_aligned, styled, table};

const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default().bold();
const UNSURE: Style = AnsiColor::Yellow.on_default();

/// When places agree.
const AGREEING: &str = "Places agree where no two stacks are told apart in opposite orders, and each one's places in \
                        both runs have some in common.";

/// For a terminal.
#[must_use]
pub fn render(repeated: &Repeated) -> String {
    let [first, second] = &repeated.runs;
    let mut text = format!("{}\n", styled(TITLE, &format!("Is {second} as {first} was?")));
    for unlike in &repeated.unlike {
        let _ = writeln!(text, "  {}", styled(UNSURE, unlike));
    }
    if repeated.metrics.is_empty() {
        let _ = writeln!(text, "  {}", styled(BAD, "there is no metric under any load that both have places for"));
    }
    for load in loads(repeated) {
        let _ = writeln!(text, "\n{}", styled(TITLE, load));
        let of_load: Vec<&MetricRepeated> = repeated.metrics.iter().filter(|one| one.load == load).collect();
        for one in &of_load {
            let style = match one.agrees() {
                Some(true) => GOOD,
                None => UNSURE,
                Some(false) => BAD,
            };
            let _ =
                writeln!(text, "  {:<16} {}{}", one.metric, styled(style, &verdict(one)), styled(QUIET, &apart(one)));
            for line in disagreements(one) {
                let _ = writeln!(text, "    {line}");
            }
        }
        let header: Vec<&str> = std::iter::once("stack").chain(of_load.iter().map(|one| one.metric.as_str())).collect();
        for (title, cell) in TABLES {
            let mut table = table(&header);
            table.add_rows(rows(&of_load, cell));
            right_aligned(&mut table, 1..header.len());
            let _ = writeln!(text, "  {}\n{}", styled(QUIET, title), indented(&table));
        }
    }
    text
}

/// As markdown.
#[must_use]
pub fn render_markdown(repeated: &Repeated) -> String {
    let [first, second] = &repeated.runs;
    let mut text = format!("# Repeatability\n\nA second run, `{second}`, beside the first, `{first}`.");
    for unlike in &repeated.unlike {
        let _ = write!(text, " Mind that {}.", escaped(unlike));
    }
    let _ = writeln!(text, " {AGREEING}");
    for load in loads(repeated) {
        let _ = writeln!(text, "\n## {}\n", escaped(load));
        let of_load: Vec<&MetricRepeated> = repeated.metrics.iter().filter(|one| one.load == load).collect();
        for one in &of_load {
            let mark = if one.agrees() == Some(true) { "" } else { "**" };
            let _ = writeln!(text, "- {}: {mark}{}{mark}{}", escaped(&one.metric), verdict(one), escaped(&apart(one)));
            for line in disagreements(one).into_iter().chain(in_one_only(one)) {
                let _ = writeln!(text, "  - {}", escaped(&line));
            }
        }
        let header: Vec<String> =
            std::iter::once("stack".to_owned()).chain(of_load.iter().map(|one| escaped(&one.metric))).collect();
        let header: Vec<&str> = header.iter().map(String::as_str).collect();
        for (title, cell) in TABLES {
            let mut rows = rows(&of_load, cell);
            rows.iter_mut().flatten().for_each(|cell| *cell = escaped(cell));
            let _ = writeln!(text, "\n{}:\n\n{}", capitalised(title), markdown_table(&header, &rows));
        }
    }
    text
}

fn loads(repeated: &Repeated) -> Vec<&str> {
    let mut loads: Vec<&str> = repeated.metrics.iter().map(|one| one.load.as_str()).collect();
    loads.dedup();
    loads
}

fn verdict(one: &MetricRepeated) -> String {
    let pairs = &one.pairs;
    let [first, second] = pairs.in_one.each_ref().map(Vec::len);
    let told = format!(
        "of {}, {} are told apart in both runs, {} in one only, {} in neither",
        counted(pairs.all(), "pair"),
        pairs.in_both,
        first + second,
        pairs.in_neither
    );
    let short = if one.is_too_short { "; too few blocks to tell so many apart" } else { "" };
    match one.agrees() {
        Some(true) => return format!("places agree; {told}{short}"),
        None => return format!("nothing can be said; {told}{short}"),
        Some(false) => {}
    }
    let mut said = Vec::new();
    let mut say = |count: usize, what: &str, then: &str| {
        said.extend((count > 0).then(|| format!("{}{then}", counted(count, what))));
    };
    say(pairs.reversed.len(), "pair", " told apart in opposite orders");
    say(one.moved().count(), "stack", " without a place in common");
    say(one.missing.len(), "stack", " in one run only");
    format!("{}; {told}{short}", said.join(", "))
}

/// How far apart the medians are.
fn apart(one: &MetricRepeated) -> String {
    let Some(((stack, ratio), typical)) = one.farthest().zip(one.typical()) else { return String::new() };
    format!("; medians {} % apart, at most {stack}, {ratio:.3}", three_digits(typical * 100.0))
}

/// A line for each.
fn disagreements(one: &MetricRepeated) -> Vec<String> {
    let mut lines: Vec<String> =
        one.pairs.reversed.iter().map(|(first, second)| format!("{first} before {second}, then behind it")).collect();
    lines.extend(
        one.moved().map(|StackRepeated { stack, places: [first, second], .. }| {
            format!("{stack}: place {first}, then {second}")
        }),
    );
    lines.extend(one.missing.iter().map(|(stack, run)| {
        format!("{stack}: has a place in the {} run only", if *run == 0 { "first" } else { "second" })
    }));
    lines
}

/// A line for each run that tells pairs apart which the other does not.
fn in_one_only(one: &MetricRepeated) -> Vec<String> {
    let line = |(pairs, run): (&Vec<(String, String)>, &str)| {
        let named: Vec<String> = pairs.iter().map(|(better, worse)| format!("{better} before {worse}")).collect();
        (!named.is_empty()).then(|| format!("in the {run} only: {}", named.join(", ")))
    };
    one.pairs.in_one.iter().zip(["first", "second"]).filter_map(line).collect()
}

/// What a cell of the tables has of a stack by a metric.
type Cell = fn(&StackRepeated) -> Option<String>;

/// The tables of a load: their titles, and what their cells have.
const TABLES: [(&str, Cell); 2] = [
    ("places in the first run, and in the second", |one| {
        let [first, second] = &one.places;
        Some(if first.to_string() == second.to_string() { first.to_string() } else { format!("{first}, {second}") })
    }),
    ("each run's median, the second's as a multiple of the first's", |one| Some(format!("{:.3}", one.ratio?))),
];

/// A row for each stack: its name, and a cell by each metric.
fn rows(of_load: &[&MetricRepeated], cell: Cell) -> Vec<Vec<String>> {
    let mut names: Vec<&str> = Vec::new();
    for stack in of_load.iter().flat_map(|one| &one.stacks) {
        if !names.contains(&stack.stack.as_str()) {
            names.push(&stack.stack);
        }
    }
    let of_stack = |one: &MetricRepeated, name: &str| {
        one.stacks.iter().find(|stack| stack.stack == name).and_then(cell).unwrap_or_else(|| "–".to_owned())
    };
    let row =
        |name: &str| std::iter::once(name.to_owned()).chain(of_load.iter().map(|one| of_stack(one, name))).collect();
    names.into_iter().map(row).collect()
}

fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}
