//! The rates of a ramp, a column each.

use std::collections::BTreeSet;

use super::super::latency::{LatencyCell, UPPER_BOUND_NOTE};
use super::super::rounds::{evenly_spaced, valid_rounds};
use super::super::text_table::{NO_VALUE, TextTable, median_cell, owned_cells};
use crate::record::{Distribution, Measured, RateMeasured, Record};
use crate::report::numbers::grouped;

/// More columns do not fit a terminal. The record has all of them.
const MAX_COLUMNS: usize = 12;

/// One stack's valid rounds, each with its rates.
struct StackRates<'a> {
    stack: &'a str,
    rounds: Vec<&'a [RateMeasured]>,
    /// The best rate of each round.
    peaks: Vec<Option<f64>>,
}

impl<'a> StackRates<'a> {
    fn new(record: &'a Record, load: &'a str, stack: &'a str) -> StackRates<'a> {
        let valid = valid_rounds(record, load, stack);
        let opens = valid.iter().filter_map(|measured| measured.open.as_deref());
        let rounds = opens.map(|open| open.rates.as_slice()).filter(|rates| !rates.is_empty()).collect();
        StackRates { stack, rounds, peaks: valid.into_iter().map(Measured::peak_per_s).collect() }
    }

    /// One rate in all rounds in which the driver kept up. Where it fell behind, the round says nothing about the rate.
    fn at(&self, rate: usize) -> impl Iterator<Item = &'a RateMeasured> + Clone {
        self.rounds.clone().into_iter().filter_map(move |rates| rates.get(rate)).filter(|rate| !rate.fell_behind())
    }

    fn successes(&self, columns: &[usize]) -> Vec<String> {
        let per_s = |rate: &usize| median_cell(self.at(*rate).map(|rate| Some(rate.answered_per_s())), grouped);
        let lead = [self.stack.to_owned(), median_cell(self.peaks.iter().copied(), grouped)];
        lead.into_iter().chain(columns.iter().map(per_s)).collect()
    }

    fn has_response_times(&self) -> bool {
        self.rounds.iter().any(|rates| rates.iter().any(|rate| rate.response_time.is_some()))
    }

    fn response_times(&self, columns: &[usize], percentile: fn(&Distribution) -> u64) -> Vec<String> {
        let cell = |rate: &usize| {
            let cell = LatencyCell::from_rates(self.at(*rate), percentile);
            cell.map_or_else(|| NO_VALUE.to_owned(), |cell| cell.to_string())
        };
        std::iter::once(self.stack.to_owned()).chain(columns.iter().map(cell)).collect()
    }

    /// The error counts of `classes` together, in a row. `None` if there are no errors.
    fn errors(&self, columns: &[usize], classes: &[String], lead: &[&str]) -> Option<Vec<String>> {
        let all = |rate: &RateMeasured| classes.iter().map(|class| error_count(rate, class)).sum::<u64>();
        let counts: Vec<u64> = columns.iter().map(|rate| self.at(*rate).map(all).sum::<u64>()).collect();
        if counts.iter().all(|count| *count == 0) {
            return None;
        }
        let cells = counts.into_iter().map(|count| if count == 0 { "·".to_owned() } else { grouped(count as f64) });
        Some(owned_cells(lead).into_iter().chain(cells).collect())
    }
}

/// Successes per second, two percentiles of the response time, and errors: medians over the valid rounds, totals of the
/// errors. Times and errors belong to the rate at which the request was scheduled. `None` without a ramp.
pub(super) fn tables(record: &Record, load: &str, stacks: &[&str], by_class: bool) -> Option<[TextTable; 4]> {
    let stacks: Vec<StackRates<'_>> = stacks.iter().map(|stack| StackRates::new(record, load, stack)).collect();
    let scheduled = stacks.iter().find_map(|one| one.rounds.first().copied())?;
    let columns = evenly_spaced(scheduled.len(), MAX_COLUMNS);
    let header = |lead: &[&str]| {
        let rates = columns.iter().map(|rate| grouped(scheduled[*rate].scheduled_per_s()));
        owned_cells(lead).into_iter().chain(rates).collect::<Vec<_>>()
    };
    let (mut successes, mut medians, mut p99s, mut errors) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for one in stacks.iter().filter(|one| !one.rounds.is_empty()) {
        successes.push(one.successes(&columns));
        // Some drivers report no times.
        if one.has_response_times() {
            medians.push(one.response_times(&columns, |times| times.p50_us));
            p99s.push(one.response_times(&columns, |times| times.p99_us));
        }
        let classes = error_classes(&one.rounds);
        if by_class {
            let row = |class: &String| one.errors(&columns, std::slice::from_ref(class), &[one.stack, class.as_str()]);
            errors.extend(classes.iter().filter_map(row));
        } else {
            errors.extend(one.errors(&columns, &classes, &[one.stack]));
        }
    }
    let latency_table = |what: &str, rows: Vec<Vec<String>>| {
        let has_bounds = rows.iter().flatten().any(|cell| cell.starts_with('≤'));
        let note = if has_bounds { format!(" ({UPPER_BOUND_NOTE})") } else { String::new() };
        TextTable { title: format!("{what}, by scheduled requests per second{note}"), header: header(&["stack"]), rows }
    };
    Some([
        TextTable {
            title: "successes per second, by scheduled requests per second".to_owned(),
            header: header(&["stack", "peak"]),
            rows: successes,
        },
        latency_table("median response time", medians),
        latency_table("99th percentile of the response time", p99s),
        TextTable {
            title: "errors, by scheduled requests per second".to_owned(),
            header: if by_class { header(&["stack", "class"]) } else { header(&["stack"]) },
            rows: errors,
        },
    ])
}

const SHED: &str = "shed";
const UNSENT: &str = "unsent";

/// The classes of errors at any rate, and requests that were shed or never sent.
fn error_classes(rounds: &[&[RateMeasured]]) -> Vec<String> {
    let rates = || rounds.iter().flat_map(|rates| rates.iter());
    let failed: BTreeSet<String> =
        rates().flat_map(|rate| rate.failed.keys().map(|class| class.name().to_owned())).collect();
    let shed = rates().any(|rate| rate.shed > 0).then(|| SHED.to_owned());
    let unsent = rates().any(|rate| rate.unsent > 0).then(|| UNSENT.to_owned());
    failed.into_iter().chain(shed).chain(unsent).collect()
}

fn error_count(rate: &RateMeasured, class: &str) -> u64 {
    match class {
        SHED => rate.shed,
        UNSENT => rate.unsent,
        _ => rate.failed.iter().filter(|(failed, _)| failed.name() == class).map(|(_, count)| count).sum(),
    }
}
