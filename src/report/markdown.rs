//! A record as markdown, for a README or a folder of reports: a table for each load, what was not measured and why, what
//! was guarded against, and, apart, what others have published.

use std::fmt::Write as _;

use super::against::PLACES;
use super::common_rates::{self, CommonRate};
use super::guards;
use super::loads as tables_of_loads;
use super::numbers::{bytes, grouped, micros};
use super::speed::errors;
use super::standing::{Standing, loads, not_measured, standings};
use super::terminal::counted;
use super::times;
use super::validation;
use crate::record::{Estimate, Measured, Provenance, PublishedFigure, Record};
use crate::scenario::model::Metric;
use lab_stats::stats;

/// The whole report.
#[must_use]
pub fn render(record: &Record) -> String {
    let mut text = String::new();
    let provenance = &record.provenance;
    let _ = writeln!(text, "# {}\n", escaped(provenance.title.as_deref().unwrap_or(&provenance.scenario)));
    let _ = writeln!(text, "{}\n", made_by(provenance));
    for load in loads(record) {
        self::load(&mut text, record, load);
    }
    for one in &record.validations {
        validation::markdown(&mut text, one);
    }
    let guards = guards::guards(record);
    if !guards.is_empty() {
        let _ = writeln!(text, "## What was guarded against\n\n{}\n", table(&["fault", "here"], &guards));
    }
    published(&mut text, record);
    text
}

/// Machine, versions, run and command, in a few lines.
pub(super) fn made_by(provenance: &Provenance) -> String {
    let machine = &provenance.machine;
    let place = |cores: &[u16]| match cores {
        [] => "unpinned".to_owned(),
        cores => format!("on core {}", cores.iter().map(u16::to_string).collect::<Vec<_>>().join(", ")),
    };
    let short = if provenance.is_short { " This is the scenario's short form: a first look." } else { "" };
    format!(
        "{}, {}, {} of memory, {}; stacks {}, load {}. lab {}, run `{}`, {} to {}.{short}\n\n```\n{}\n```",
        escaped(&machine.cpu),
        counted(machine.cores, "core"),
        bytes(machine.memory_bytes),
        escaped(&machine.kernel),
        place(&provenance.stack_cores),
        place(&provenance.load_cores),
        provenance.lab,
        provenance.run,
        provenance.started,
        provenance.ended,
        provenance.command.join(" ").replace("```", "` ` `"),
    )
}

fn load(text: &mut String, record: &Record, load: &str) {
    let standings = standings(record, load);
    let rates = common_rates::common(&standings);
    let is_ramp = standings.iter().flat_map(|one| &one.rounds).any(|round| round.peak_per_s().is_some());
    let _ = writeln!(text, "## {}\n", escaped(load));
    let reference = record.stacks.iter().find(|stack| stack.reference).map_or("the reference", |stack| &stack.name);
    let mut header = vec![
        "place".to_owned(),
        "stack".to_owned(),
        "version".to_owned(),
        if is_ramp { "peak requests/s" } else { "requests/s" }.to_owned(),
        format!("× {}", escaped(reference)),
        "CPU per request".to_owned(),
    ];
    match is_ramp {
        true => header.extend(rates.iter().map(|rate| format!("p50, p99 at {}/s", grouped(rate.asked_per_s)))),
        false => header.push("p50, p99".to_owned()),
    }
    header.extend(["memory at rest, at peak", "rounds", "errors"].map(str::to_owned));
    let rows: Vec<Vec<String>> = standings.iter().map(|one| row(record, load, one, is_ramp, &rates)).collect();
    let header: Vec<&str> = header.iter().map(String::as_str).collect();
    let _ = writeln!(text, "{}\n", table(&header, &rows));
    let _ = writeln!(text, "{}\n", reading(record, load, is_ramp, &rates, &standings));

    let without = not_measured(record, load);
    if !without.is_empty() {
        let rows: Vec<[String; 2]> = without.iter().map(|(stack, why)| [escaped(stack), escaped(why)]).collect();
        let _ = writeln!(text, "Not measured:\n\n{}\n", table(&["stack", "why"], &rows));
    }
    let names: Vec<&str> = standings.iter().map(|one| one.stack.name.as_str()).collect();
    for rows in tables_of_loads::tables(record, load, &names, true) {
        let header: Vec<&str> = rows.header.iter().map(String::as_str).collect();
        let cells: Vec<Vec<String>> =
            rows.rows.iter().map(|row| row.iter().map(|cell| escaped(cell)).collect()).collect();
        let title = escaped(&rows.title);
        let _ = writeln!(text, "<details><summary>{title}</summary>\n\n{}\n\n</details>\n", table(&header, &cells));
    }
}

fn row(record: &Record, load: &str, one: &Standing<'_>, is_ramp: bool, rates: &[CommonRate]) -> Vec<String> {
    let median = |metric: Metric, form: fn(f64) -> String| {
        one.spread(metric).map_or_else(|| NONE.to_owned(), |spread| form(spread.median))
    };
    let of_rate =
        |rate: &CommonRate| rate.times(one).map_or_else(|| NONE.to_owned(), |[p50, p99]| format!("{p50}, {p99}"));
    let visits = record.rounds.iter().filter(|round| round.load == load && round.stack == one.stack.name).count();
    let mut cells = vec![
        one.place_in_words(),
        escaped(&one.stack.name),
        escaped(&one.version()),
        median(Metric::Throughput, grouped),
        ratio(record, load, one),
        median(Metric::CpuPerRequest, micros),
    ];
    match is_ramp {
        true => cells.extend(rates.iter().map(of_rate)),
        false => {
            let [p50, p99] = [Metric::P50, Metric::P99].map(|metric| median(metric, micros));
            cells.push(if p50 == NONE { p50 } else { format!("{p50}, {p99}") });
        }
    }
    let memory = |of: fn(&Measured) -> Option<f64>| {
        let values: Vec<f64> = one.rounds.iter().filter_map(|round| of(round)).collect();
        stats::median(&values).map_or_else(|| NONE.to_owned(), |median| bytes(median as u64))
    };
    cells.push(format!("{}, {}", memory(Measured::memory_at_rest), memory(|round| Some(round.memory_at_peak()))));
    cells.push(format!("{}/{visits}", one.rounds.len()));
    cells.push(escaped(&errors(record, load, &one.stack.name)));
    cells
}

const NONE: &str = "–";

/// The ratio of the throughput to the reference's, with its interval.
fn ratio(record: &Record, load: &str, one: &Standing<'_>) -> String {
    let is_own = |estimate: &&Estimate| {
        estimate.load == load && estimate.stack == one.stack.name && estimate.metric == Metric::Throughput.name()
    };
    if one.stack.reference {
        return "1".to_owned();
    }
    let estimate = record.estimates.iter().find(is_own);
    let Some(ratio) = estimate.and_then(|estimate| estimate.ratio.as_ref()) else { return NONE.to_owned() };
    let mark = if ratio.driver_bound.is_empty() { "" } else { " †" };
    match ratio.interval {
        Some(interval) => format!("{:.3} ({:.3} to {:.3}){mark}", ratio.ratio, interval.lower, interval.upper),
        None => format!("{:.3} (no interval){mark}", ratio.ratio),
    }
}

/// How the table of a load is to be read.
fn reading(record: &Record, load: &str, is_ramp: bool, rates: &[CommonRate], standings: &[Standing<'_>]) -> String {
    let mut said = vec![
        format!("Medians over the valid rounds; {PLACES}."),
        "The ratio is the Hodges-Lehmann estimate over paired rounds, with its exact signed-rank interval.".to_owned(),
    ];
    let by_throughput =
        |placed: &&crate::record::LoadRanking| placed.load == load && placed.metric == Metric::Throughput.name();
    if let Some(blocks) = record.rankings.iter().find(by_throughput).and_then(|placed| placed.blocks_needed) {
        said.push(format!("It takes {blocks} blocks to tell so many apart, and some two have fewer in common."));
    }
    let own = |estimate: &&Estimate| estimate.load == load && estimate.metric == Metric::Throughput.name();
    let ratios = record.estimates.iter().filter(own).filter_map(|estimate| estimate.ratio.as_ref());
    let bound: Vec<_> = ratios.filter(|ratio| !ratio.driver_bound.is_empty()).collect();
    if !bound.is_empty() {
        said.push("† The driver had no time left: the ratio is its as much as theirs.".to_owned());
    }
    match (is_ramp, rates.first()) {
        (false, _) => {}
        (true, None) => said.push("No rate of the ramp was answered, so there are no times to compare.".to_owned()),
        (true, Some(rate)) if rate.is_of_all => said.push(
            "The times are response times at rates that every stack answered (99 % of what was asked), from the instant \
             at which a request was due."
                .to_owned(),
        ),
        (true, Some(_)) => said.push(
            "No rate of the ramp was answered by every stack; the times are at the one that most answered (99 % of what \
             was asked), from the instant at which a request was due."
                .to_owned(),
        ),
    }
    let mut shown = rates.iter().flat_map(|rate| standings.iter().filter_map(move |one| rate.times(one)));
    if shown.any(|times| times.iter().any(|seen| seen.is_bound)) {
        said.push(format!("{}.", times::BOUND));
    }
    said.push("Errors are those of all rounds, past saturation too.".to_owned());
    said.join(" ")
}

/// What others have published, apart.
fn published(text: &mut String, record: &Record) {
    let all: Vec<(&str, &PublishedFigure)> =
        record.stacks.iter().flat_map(|stack| stack.published.iter().map(|one| (stack.name.as_str(), one))).collect();
    if all.is_empty() {
        return;
    }
    let row = |(stack, one): &(&str, &PublishedFigure)| {
        let figure = format!("{} {}", grouped(one.figure as f64), one.unit);
        let source = format!("[{}]({})", escaped(host(&one.source)), one.source.replace([' ', ')'], ""));
        let cells = [escaped(stack), escaped(&figure), escaped(&one.what), one.year.to_string(), source];
        [&cells[..], &[escaped(&one.conditions)]].concat()
    };
    let rows: Vec<Vec<String>> = all.iter().map(row).collect();
    let header = ["server", "figure", "of", "year", "source", "conditions, and what is to be said against it"];
    let _ = writeln!(
        text,
        "## Published figures\n\nOther machines, other versions, other methods: these are not ranked with the figures \
         above, nor with each other. The comparison of March 2010 gave the method (one application, several requests on \
         each connection, rates up to past saturation), and none of its numbers are used here.\n\n{}\n",
        table(&header, &rows)
    );
}

/// Whose address it is, for the text of a link.
fn host(address: &str) -> &str {
    let rest = address.strip_prefix("https://").unwrap_or(address);
    rest.split('/').next().unwrap_or(rest)
}

/// A table in GitHub's form. Cells are escaped already.
pub(super) fn table<R: AsRef<[String]>>(header: &[&str], rows: &[R]) -> String {
    let mut text = format!("| {} |\n|{}", header.join(" | "), "---|".repeat(header.len()));
    for row in rows {
        let _ = write!(text, "\n| {} |", row.as_ref().join(" | "));
    }
    text
}

/// A text that is only text in markdown and in a cell of a table.
pub(super) fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars() {
        match c {
            '\n' | '\r' => escaped.push(' '),
            '<' => escaped.push_str("&lt;"),
            '&' => escaped.push_str("&amp;"),
            '|' | '*' | '_' | '[' | ']' | '\\' => escaped.extend(['\\', c]),
            c => escaped.push(c),
        }
    }
    escaped
}
