//! How much is it, against the reference stack? Ratios, and the places of stacks that can be told apart.

use std::fmt::Write as _;

use super::terminal::{QUIET, UNSURE, WIDTH, counted, has_many_stacks, indented, listed, right_aligned, styled, table};
use crate::record::{Estimate, LoadRanking, Ratio, Record};
use crate::scenario::model::Metric;

/// The ratios of a load, and the places: a line each, or for many stacks a row each, in the order of `stacks`.
pub(super) fn section(text: &mut String, record: &Record, load: &str, stacks: &[&str]) {
    if has_many_stacks(record) {
        together(text, record, load, stacks);
        return;
    }
    for estimate in record.estimates.iter().filter(|estimate| estimate.load == load && estimate.ratio.is_some()) {
        let _ = writeln!(text, "  {}", ratio_line(estimate));
    }
    places(text, record, load);
}

/// What many stacks are told of; the ratios of the times stand in the record.
const SHOWN: [Metric; 2] = [Metric::Throughput, Metric::CpuPerRequest];

/// A row for each stack: by both metrics its place, if there are places, and its ratio with its interval.
fn together(text: &mut String, record: &Record, load: &str, stacks: &[&str]) {
    let ratio = |stack: &str, metric: Metric| {
        let is_it = |e: &&Estimate| e.load == load && e.stack == stack && e.metric == metric.name();
        record.estimates.iter().find(is_it)?.ratio.as_ref()
    };
    let ratios: Vec<&Ratio> =
        stacks.iter().flat_map(|stack| SHOWN.into_iter().filter_map(|metric| ratio(stack, metric))).collect();
    let reference = ratios.first().map(|ratio| ratio.reference.as_str());
    let placed = SHOWN.map(|metric| placed(record, load, metric));
    let has_intervals = ratios.iter().any(|ratio| ratio.interval.is_some());
    let has_places =
        placed.iter().flatten().any(|placed| placed.ranks.iter().any(|place| !place.better_than.is_empty()));
    if ratios.is_empty() && !has_places {
        return;
    }
    let mut header = vec!["stack"];
    for name in ["throughput", "CPU/req"] {
        header.extend(has_places.then_some("place"));
        header.push(name);
        header.extend(has_intervals.then_some("interval"));
    }
    let mut table = table(&header);
    for stack in stacks {
        let mut row = vec![(*stack).to_owned()];
        for (metric, placed) in SHOWN.into_iter().zip(&placed) {
            let ratio = ratio(stack, metric);
            row.extend(
                has_places.then(|| placed.and_then(|placed| placed.rank(stack)).map_or_else(none, ToString::to_string)),
            );
            row.push(match ratio {
                Some(ratio) => format!("{:.2} ×", ratio.ratio),
                None if Some(*stack) == reference => "1".to_owned(),
                None => none(),
            });
            let interval = ratio.and_then(|ratio| ratio.interval);
            row.extend(
                has_intervals.then(|| interval.map_or_else(none, |i| format!("{:.2} … {:.2}", i.lower, i.upper))),
            );
        }
        table.add_row(row);
    }
    right_aligned(&mut table, 1..header.len());
    let title = match ratios.first() {
        Some(ratio) => format!("against {} ({})", ratio.reference, certainty(&ratios)),
        None => "places".to_owned(),
    };
    let _ = writeln!(text, "  {}\n{}", styled(QUIET, &title), indented(&table));
    if !ratios.is_empty() {
        let _ = writeln!(text, "  {}", styled(QUIET, "ratios of p50 and p99 are in the record"));
    }
    if has_places {
        let meaning = PLACES;
        let _ = writeln!(text, "  {}", styled(QUIET, meaning));
    }
    if let Some(blocks) = placed.iter().flatten().filter_map(|placed| placed.blocks_needed).max() {
        let what = if has_places { "more could be told apart" } else { "no places: stacks can be told apart" };
        let made = ratios.iter().map(|ratio| ratio.log_ratios.len()).max().unwrap_or(0);
        let line = if made < blocks {
            format!("{what} from {blocks} blocks on, and there are {made}")
        } else {
            format!("{what} with {blocks} blocks that every two have in common, and some have fewer")
        };
        let _ = writeln!(text, "  {}", styled(QUIET, &line));
    }
    let mut bound: Vec<&str> = ratios.iter().flat_map(|ratio| &ratio.driver_bound).map(String::as_str).collect();
    bound.sort_unstable();
    bound.dedup();
    if !bound.is_empty() {
        let line = format!("the driver set the pace on {}", listed(&bound, WIDTH).replace('\n', "\n      "));
        let _ = writeln!(text, "  {}", styled(UNSURE, &line));
    }
}

/// What a range of places means.
pub(super) const PLACES: &str =
    "places are ranges: before one's range are those told to be better, after it those told to be worse";

fn none() -> String {
    "·".to_owned()
}

/// How sure the intervals are, once for all; or that there are none.
fn certainty(ratios: &[&Ratio]) -> String {
    let range = |values: &[f64], form: &dyn Fn(f64) -> String| {
        let least = values.iter().copied().fold(f64::INFINITY, f64::min);
        let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let (least, most) = (form(least), form(most));
        if least == most { least } else { format!("{least} to {most}") }
    };
    let blocks: Vec<f64> = ratios.iter().map(|ratio| ratio.log_ratios.len() as f64).collect();
    let blocks_are_one = blocks.iter().all(|count| *count < 1.5);
    let blocks = range(&blocks, &|count| format!("{count:.0}")) + if blocks_are_one { " block" } else { " blocks" };
    let confidences: Vec<f64> = ratios.iter().filter_map(|ratio| Some(ratio.interval?.confidence)).collect();
    if confidences.is_empty() {
        return format!("no interval from {blocks}");
    }
    let confidence = range(&confidences, &|confidence| format!("{:.1}", confidence * 100.0));
    format!("intervals of {confidence} % confidence, {blocks}")
}

fn placed<'a>(record: &'a Record, load: &str, metric: Metric) -> Option<&'a LoadRanking> {
    record.rankings.iter().find(|placed| placed.load == load && placed.metric == metric.name())
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

/// Where each stands under a load, a line per metric; nothing where there is nobody to compare with.
fn places(text: &mut String, record: &Record, load: &str) {
    for placed in record.rankings.iter().filter(|placed| placed.load == load) {
        let mut shown: Vec<String> = placed.ranks.iter().map(|place| format!("{place}: {}", place.stack)).collect();
        shown.extend(placed.unranked.iter().map(|stack| format!("without a place: {stack}")));
        let needed = placed.blocks_needed.map(|blocks| format!("   told apart from {blocks} blocks on"));
        let what = format!("places by {}", placed.metric);
        let _ = writeln!(text, "  {what:<28} {}{}", shown.join("   "), styled(QUIET, &needed.unwrap_or_default()));
    }
}
