//! Two runs beside each other, for a terminal and as markdown.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};

use super::markdown::{escaped, table as markdown_table};
use super::numbers::three_digits;
use super::repeat::{Changed, MetricRepeated, Moved, Repeated, Stands};
use super::terminal::{QUIET, TITLE, counted, indented, right_aligned, styled, table};

const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default().bold();
const UNSURE: Style = AnsiColor::Yellow.on_default();

/// How the ratios are to be read.
const READING: &str = "each run's median, the second's as a multiple of the first's";

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
            let style = if one.is_same() { GOOD } else { BAD };
            let _ =
                writeln!(text, "  {:<16} {}{}", one.metric, styled(style, &verdict(one)), styled(QUIET, &apart(one)));
            for line in changes(one) {
                let _ = writeln!(text, "    {line}");
            }
        }
        let header: Vec<&str> = std::iter::once("stack").chain(of_load.iter().map(|one| one.metric.as_str())).collect();
        let mut table = table(&header);
        table.add_rows(ratios(&of_load));
        right_aligned(&mut table, 1..header.len());
        let _ = writeln!(text, "  {}\n{}", styled(QUIET, READING), indented(&table));
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
    text.push_str(
        " Tiers are the same where every two stacks stand to each other as before: apart in the same order, or sharing a \
         place.\n",
    );
    for load in loads(repeated) {
        let _ = writeln!(text, "\n## {}\n", escaped(load));
        let of_load: Vec<&MetricRepeated> = repeated.metrics.iter().filter(|one| one.load == load).collect();
        for one in &of_load {
            let mark = if one.is_same() { "" } else { "**" };
            let _ = writeln!(text, "- {}: {mark}{}{mark}{}", escaped(&one.metric), verdict(one), escaped(&apart(one)));
            for line in changes(one) {
                let _ = writeln!(text, "  - {}", escaped(&line));
            }
        }
        let header: Vec<String> =
            std::iter::once("stack".to_owned()).chain(of_load.iter().map(|one| escaped(&one.metric))).collect();
        let header: Vec<&str> = header.iter().map(String::as_str).collect();
        let rows = ratios(&of_load).into_iter().map(|row| row.iter().map(|cell| escaped(cell)).collect::<Vec<_>>());
        let rows: Vec<Vec<String>> = rows.collect();
        let _ = writeln!(text, "\n{}:\n\n{}", capitalised(READING), markdown_table(&header, &rows));
    }
    text
}

fn loads(repeated: &Repeated) -> Vec<&str> {
    let mut loads: Vec<&str> = repeated.metrics.iter().map(|one| one.load.as_str()).collect();
    loads.dedup();
    loads
}

fn verdict(one: &MetricRepeated) -> String {
    let [first, second] = one.tiers;
    let stacks = counted(one.ratios.len(), "stack");
    let short = if one.is_too_short { ", from too few blocks to tell so many apart" } else { "" };
    if one.is_same() {
        return format!("the same {} of {stacks}{short}", counted(first, "tier"));
    }
    let mut said = format!("{} moved, of {stacks}", counted(one.moved.len(), "stack"));
    if first != second {
        let _ = write!(said, "; {first} tiers, then {second}");
    }
    match one.reversed().len() {
        0 => said.push_str("; no two were told apart in opposite orders"),
        pairs => {
            let _ = write!(said, "; {} told apart in opposite orders", counted(pairs, "pair"));
        }
    }
    said + short
}

/// How far apart the medians are.
fn apart(one: &MetricRepeated) -> String {
    let Some(((stack, ratio), typical)) = one.farthest().zip(one.typical()) else { return String::new() };
    format!("; medians {} % apart, at most {stack}, {ratio:.3}", three_digits(typical * 100.0))
}

/// A line for each stack that moved, or is in one run only.
fn changes(one: &MetricRepeated) -> Vec<String> {
    let moved = one.moved.iter().map(|Moved { stack, past, overlaps }| {
        let overlaps = match overlaps {
            Some(true) => "; its intervals overlap",
            Some(false) => "; its intervals do not overlap",
            None => "",
        };
        format!("{stack}: {}{overlaps}", in_words(past))
    });
    let missing = one.missing.iter().map(|(stack, run)| {
        format!("{stack}: has a place in the {} run only", if *run == 0 { "first" } else { "second" })
    });
    moved.chain(missing).collect()
}

/// How a stack stands otherwise, and to whom: those to whom it does so alike together.
fn in_words(past: &[Changed]) -> String {
    let word = |stands: Stands| match stands {
        Stands::Above => "above",
        Stands::Beside => "beside",
        Stands::Below => "below",
    };
    let mut alike: Vec<([Stands; 2], Vec<&str>)> = Vec::new();
    for changed in past {
        match alike.iter_mut().find(|(stands, _)| *stands == changed.stands) {
            Some((_, others)) => others.push(&changed.other),
            None => alike.push((changed.stands, vec![&changed.other])),
        }
    }
    let said = alike.into_iter().map(|(stands, others)| {
        let [first, second] = stands.map(word);
        format!("{first} {}, then {second}", others.join(", "))
    });
    said.collect::<Vec<_>>().join("; ")
}

/// A row for each stack: the ratio of its medians by each metric.
fn ratios(of_load: &[&MetricRepeated]) -> Vec<Vec<String>> {
    let Some(first) = of_load.first() else { return Vec::new() };
    let cell = |one: &MetricRepeated, stack: &str| {
        let ratio = one.ratios.iter().find(|(own, _)| own == stack);
        ratio.map_or_else(|| "–".to_owned(), |(_, ratio)| format!("{ratio:.3}"))
    };
    let row =
        |stack: &str| std::iter::once(stack.to_owned()).chain(of_load.iter().map(|one| cell(one, stack))).collect();
    first.ratios.iter().map(|(stack, _)| row(stack)).collect()
}

fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}
