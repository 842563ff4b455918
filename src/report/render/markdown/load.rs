//! The table of a load, its legend, and the stacks without a measurement.

use std::fmt::Write as _;

use super::table::{escaped, table};
use crate::record::{Estimate, LoadRanking, Measured, Record};
use crate::report::numbers::{bytes, grouped, micros};
use crate::report::view::common_rates::{CommonRate, common_rates};
use crate::report::view::comparison::RANK_RANGE_NOTE;
use crate::report::view::latency::UPPER_BOUND_NOTE;
use crate::report::view::load_tables;
use crate::report::view::speed::errors;
use crate::report::view::stack_summary::{StackSummary, summaries, unmeasured};
use crate::report::view::text_table::{NO_VALUE, median_cell};
use crate::scenario::model::Metric;

pub(super) fn section(text: &mut String, record: &Record, load: &str) {
    let summaries = summaries(record, load);
    let rates = common_rates(&summaries);
    let is_ramp = summaries.iter().flat_map(|one| &one.rounds).any(|round| round.peak_per_s().is_some());
    let _ = writeln!(text, "## {}\n", escaped(load));
    let reference = match record.comparison {
        Some(_) => "before",
        None => record.stacks.iter().find(|stack| stack.reference).map_or("the reference", |stack| &stack.name),
    };
    let mut header = vec![
        "rank".to_owned(),
        "stack".to_owned(),
        "version".to_owned(),
        if is_ramp { "peak requests/s" } else { "requests/s" }.to_owned(),
        format!("× {}", escaped(reference)),
        "CPU per request".to_owned(),
    ];
    match is_ramp {
        true => header.extend(rates.iter().map(|rate| format!("p50, p99 at {}/s", grouped(rate.scheduled_per_s)))),
        false => header.push("p50, p99".to_owned()),
    }
    header.extend(["memory at rest, at peak", "rounds", "errors"].map(str::to_owned));
    let rows: Vec<Vec<String>> = summaries.iter().map(|one| row(record, load, one, is_ramp, &rates)).collect();
    let header: Vec<&str> = header.iter().map(String::as_str).collect();
    let _ = writeln!(text, "{}\n", table(&header, &rows));
    let _ = writeln!(text, "{}\n", legend(record, load, is_ramp, &rates, &summaries));

    let unmeasured = unmeasured(record, load);
    if !unmeasured.is_empty() {
        let rows: Vec<[String; 2]> =
            unmeasured.iter().map(|(stack, reason)| [escaped(stack), escaped(reason)]).collect();
        let _ = writeln!(text, "Not measured:\n\n{}\n", table(&["stack", "reason"], &rows));
    }
    let names: Vec<&str> = summaries.iter().map(|one| one.stack.name.as_str()).collect();
    for rows in load_tables::tables(record, load, &names, true) {
        let header = rows.header();
        let cells: Vec<Vec<String>> =
            rows.rows.iter().map(|row| row.iter().map(|cell| escaped(cell)).collect()).collect();
        let title = escaped(&rows.title);
        let _ = writeln!(text, "<details><summary>{title}</summary>\n\n{}\n\n</details>\n", table(&header, &cells));
    }
}

fn row(record: &Record, load: &str, one: &StackSummary<'_>, is_ramp: bool, rates: &[CommonRate]) -> Vec<String> {
    let median = |metric: Metric, format: fn(f64) -> String| {
        one.metric(metric).map_or_else(|| NO_VALUE.to_owned(), |value| format(value.median))
    };
    let latencies =
        |rate: &CommonRate| rate.times(one).map_or_else(|| NO_VALUE.to_owned(), |[p50, p99]| format!("{p50}, {p99}"));
    let rounds = record.rounds.iter().filter(|round| round.load == load && round.stack == one.stack.name).count();
    let mut cells = vec![
        one.rank_cell(),
        escaped(&one.stack.name),
        escaped(&one.version()),
        median(Metric::Throughput, grouped),
        ratio_cell(record, load, one),
        median(Metric::CpuPerRequest, micros),
    ];
    match is_ramp {
        true => cells.extend(rates.iter().map(latencies)),
        false => {
            let [p50, p99] = [Metric::P50, Metric::P99].map(|metric| median(metric, micros));
            cells.push(if p50 == NO_VALUE { p50 } else { format!("{p50}, {p99}") });
        }
    }
    let memory = |value: fn(&Measured) -> Option<f64>| {
        median_cell(one.rounds.iter().map(|round| value(round)), |median| bytes(median as u64))
    };
    cells.push(format!("{}, {}", memory(Measured::memory_at_rest), memory(|round| Some(round.memory_at_peak()))));
    cells.push(format!("{}/{rounds}", one.rounds.len()));
    cells.push(escaped(&errors(record, load, &one.stack.name)));
    cells
}

/// The throughput relative to the reference's, with its interval.
fn ratio_cell(record: &Record, load: &str, one: &StackSummary<'_>) -> String {
    let is_own = |estimate: &&Estimate| {
        estimate.load == load && estimate.stack == one.stack.name && estimate.metric == Metric::Throughput.name()
    };
    if one.stack.reference {
        return "1".to_owned();
    }
    let estimate = record.estimates.iter().find(is_own);
    let Some(ratio) = estimate.and_then(|estimate| estimate.ratio.as_ref()) else { return NO_VALUE.to_owned() };
    let mark = if ratio.driver_bound.is_empty() { "" } else { " †" };
    match ratio.interval {
        Some(interval) => format!("{:.3} ({:.3} to {:.3}){mark}", ratio.ratio, interval.lower, interval.upper),
        None => format!("{:.3} (no interval){mark}", ratio.ratio),
    }
}

/// Explains the table of a load.
fn legend(record: &Record, load: &str, is_ramp: bool, rates: &[CommonRate], summaries: &[StackSummary<'_>]) -> String {
    let mut sentences = vec![
        format!("Medians over the valid rounds; {RANK_RANGE_NOTE}."),
        "The ratio is the Hodges-Lehmann estimate over paired rounds, with its exact signed-rank interval.".to_owned(),
    ];
    let is_throughput = |ranking: &&LoadRanking| ranking.load == load && ranking.metric == Metric::Throughput.name();
    if let Some(blocks) = record.rankings.iter().find(is_throughput).and_then(|ranking| ranking.blocks_needed) {
        sentences
            .push(format!("Telling this many stacks apart takes {blocks} blocks; some pairs have fewer in common."));
    }
    let own = |estimate: &&Estimate| estimate.load == load && estimate.metric == Metric::Throughput.name();
    let mut ratios = record.estimates.iter().filter(own).filter_map(|estimate| estimate.ratio.as_ref());
    if ratios.any(|ratio| !ratio.driver_bound.is_empty()) {
        sentences.push("† The driver was saturated, so the ratio depends on it as well.".to_owned());
    }
    match (is_ramp, rates.first()) {
        (false, _) => {}
        (true, None) => sentences.push("No stack kept up with any rate of the ramp, so there are no times to compare.".to_owned()),
        (true, Some(rate)) if rate.is_common_to_all => sentences.push(
            "Times are response times from the scheduled instant of a request, at rates that every stack kept up with \
             (99 % of the requests succeeded)."
                .to_owned(),
        ),
        (true, Some(_)) => sentences.push(
            "No rate of the ramp suited every stack. Times are response times from the scheduled instant of a request, at \
             the rate that most stacks kept up with (99 % of the requests succeeded)."
                .to_owned(),
        ),
    }
    let mut latencies = rates.iter().flat_map(|rate| summaries.iter().filter_map(move |one| rate.times(one)));
    if latencies.any(|times| times.iter().any(|cell| cell.is_upper_bound)) {
        sentences.push(format!("{UPPER_BOUND_NOTE}."));
    }
    sentences.push("Errors are those of all rounds, including those past saturation.".to_owned());
    sentences.join(" ")
}
