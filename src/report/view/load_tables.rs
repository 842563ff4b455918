//! Tables that only some loads have: how an open loop kept its schedule, the rates and seconds of a ramp, the steps of a
//! journey.

mod rates;

use super::provenance::has_many_stacks;
use super::rounds::valid_rounds;
use super::text_table::{TextTable, median_cell, owned_cells};
use crate::record::{Distribution, Measured, OpenMeasured, Record};
use crate::report::numbers::{grouped, micros};

/// A window counts as a ramp if its fastest second schedules at least this multiple of its slowest.
const RAMP_RATIO: u64 = 2;

/// Longer windows are only in the record.
const MAX_SECONDS: usize = 60;

/// The tables of one load that have rows. The rows follow the order of `stacks`. With `by_class`, the table of a ramp's
/// errors has a row per error class instead of one per stack.
#[must_use]
pub fn tables(record: &Record, load: &str, stacks: &[&str], by_class: bool) -> Vec<TextTable> {
    let is_many = has_many_stacks(record);
    let rates = rates::tables(record, load, stacks, by_class);
    let is_ramp = rates.is_some();
    let mut tables = Vec::new();
    // The averages of a ramp mean little, and for many stacks they fill a page.
    if !(is_ramp && is_many) {
        tables.push(schedule(record, load, stacks));
    }
    tables.extend(rates.into_iter().flatten());
    // There is a column per stack.
    if !is_ramp && !is_many {
        tables.extend(seconds(record, load, stacks));
    }
    tables.push(steps(record, load, stacks));
    tables.retain(|table| !table.rows.is_empty());
    tables
}

/// How an open loop kept its schedule: medians over the valid rounds, and totals of the requests not sent.
fn schedule(record: &Record, load: &str, stacks: &[&str]) -> TextTable {
    let header = owned_cells(&[
        "stack",
        "scheduled/s",
        "ok/s",
        "response max",
        "service p50",
        "service p99",
        "lag p99",
        "shed",
        "unsent",
    ]);
    let row = |stack: &str| {
        let rounds = valid_rounds(record, load, stack);
        let opens: Vec<(&Measured, &OpenMeasured)> =
            rounds.iter().filter_map(|measured| Some((*measured, measured.open.as_deref()?))).collect();
        if opens.is_empty() {
            return None;
        }
        let cell = |value: &dyn Fn(&Measured, &OpenMeasured) -> Option<f64>, form: fn(f64) -> String| {
            median_cell(opens.iter().map(|(measured, open)| value(measured, open)), form)
        };
        let percentile =
            |times: Option<&Distribution>, value: fn(&Distribution) -> u64| times.map(|times| value(times) as f64);
        let scheduled_per_s =
            |measured: &Measured, open: &OpenMeasured| open.scheduled as f64 * 1e6 / measured.window_us as f64;
        let sum = |value: fn(&OpenMeasured) -> u64| opens.iter().map(|(_, open)| value(open)).sum::<u64>().to_string();
        Some(vec![
            stack.to_owned(),
            cell(&|measured, open| Some(scheduled_per_s(measured, open)), grouped),
            cell(&|measured, _| Some(measured.throughput_per_s), grouped),
            cell(&|_, open| percentile(open.response_time.as_ref(), |times| times.max_us), micros),
            cell(&|measured, _| percentile(measured.service_time.as_ref(), |times| times.p50_us), micros),
            cell(&|measured, _| percentile(measured.service_time.as_ref(), |times| times.p99_us), micros),
            cell(&|_, open| percentile(open.lag.as_ref(), |times| times.p99_us), micros),
            sum(|open| open.shed),
            sum(|open| open.unsent),
        ])
    };
    let rows = stacks.iter().filter_map(|stack| row(stack)).collect();
    TextTable { title: "schedule".to_owned(), header, rows }
}

/// The responses and the 99th percentile of each second of a ramp: medians over the valid rounds. `None` if the rate hardly
/// changes or the window is too long for a table.
fn seconds(record: &Record, load: &str, stacks: &[&str]) -> Option<TextTable> {
    let stacks: Vec<(&str, Vec<&Measured>)> =
        stacks.iter().map(|stack| (*stack, valid_rounds(record, load, stack))).collect();
    let offered: Vec<u64> = stacks
        .iter()
        .flat_map(|(_, rounds)| rounds.first())
        .next()
        .map(|measured| measured.seconds.iter().filter_map(|second| second.offered).collect())
        .unwrap_or_default();
    let is_ramp = offered.iter().max() >= offered.iter().min().map(|least| least * RAMP_RATIO).as_ref();
    let mut header = owned_cells(&["second", "scheduled"]);
    header.extend(stacks.iter().flat_map(|(name, _)| [format!("{name} responses"), "p99".to_owned()]));
    if offered.is_empty() || !is_ramp || offered.len() > MAX_SECONDS {
        return None;
    }
    let row = |(number, scheduled): (usize, &u64)| {
        let mut cells = vec![(number + 1).to_string(), grouped(*scheduled as f64)];
        for (_, rounds) in &stacks {
            let second = || rounds.iter().filter_map(|measured| measured.seconds.get(number));
            cells.push(median_cell(second().map(|second| Some(second.answered as f64)), grouped));
            cells.push(median_cell(
                second().map(|second| second.times_us.as_ref().map(|times| times.p99 as f64)),
                micros,
            ));
        }
        cells
    };
    Some(TextTable {
        title: "second by second".to_owned(),
        header,
        rows: offered.iter().enumerate().map(row).collect(),
    })
}

/// The steps of a journey: medians over the valid rounds, and totals of the errors.
fn steps(record: &Record, load: &str, stacks: &[&str]) -> TextTable {
    let mut rows = Vec::new();
    for stack in stacks {
        let rounds = valid_rounds(record, load, stack);
        let Some(first) = rounds.first() else { continue };
        for (number, step) in first.steps.iter().enumerate() {
            let step_of =
                || rounds.iter().filter_map(|measured| Some((measured.window_us, measured.steps.get(number)?)));
            let time = |value: fn(&Distribution) -> u64| {
                median_cell(
                    step_of().map(|(_, step)| step.service_time.as_ref().map(|times| value(times) as f64)),
                    micros,
                )
            };
            rows.push(vec![
                (*stack).to_owned(),
                step.name.clone(),
                median_cell(step_of().map(|(window_us, step)| Some(step.ok as f64 * 1e6 / window_us as f64)), grouped),
                time(|times| times.p50_us),
                time(|times| times.p99_us),
                step_of().map(|(_, step)| step.failed).sum::<u64>().to_string(),
            ]);
        }
    }
    TextTable {
        title: "step by step".to_owned(),
        header: owned_cells(&["stack", "step", "ok/s", "p50", "p99", "errors"]),
        rows,
    }
}
