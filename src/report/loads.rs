//! What only some loads have: an open loop's schedule and how it was kept, its seconds under a ramp, a journey's steps.
//! One line of cells for each row; whoever shows them makes the table.

use std::collections::BTreeSet;

use super::numbers::{grouped, micros};
use super::terminal::has_many_stacks;
use super::times::{BOUND, Seen};
use crate::record::{Distribution, Measured, OpenMeasured, RateMeasured, Record, RoundRecord};
use lab_stats::sample::median;

/// A table: its header and its rows.
pub(super) struct Rows {
    pub(super) title: String,
    pub(super) header: Vec<String>,
    pub(super) rows: Vec<Vec<String>>,
}

impl Rows {
    fn none() -> Rows {
        Rows { title: String::new(), header: Vec::new(), rows: Vec::new() }
    }
}

/// More rates than these are for the record; a terminal is no wider.
const MOST_RATES: usize = 12;

/// A ramp is one whose fastest second asks for so much more than its slowest.
const RAMP: u64 = 2;

/// Longer windows are for the record; nobody reads so many rows.
const MOST_SECONDS: usize = 60;

/// The tables of one load, none of them empty, with the rows of `stacks` in this order. `by_class`: a ramp's errors have
/// a row for each class, else one for each stack.
pub(super) fn tables(record: &Record, load: &str, stacks: &[&str], by_class: bool) -> Vec<Rows> {
    let is_many = has_many_stacks(record);
    let [answered, medians, times, errors] = rates(record, load, stacks, by_class);
    let is_ramp = !answered.rows.is_empty();
    // A ramp's averages say little; of many stacks they would be a page of it.
    let schedule = if is_ramp && is_many { Rows::none() } else { schedule(record, load, stacks) };
    // A column per stack is for few of them.
    let seconds = if is_ramp || is_many { Rows::none() } else { seconds(record, load, stacks) };
    let tables = [schedule, answered, medians, times, errors, seconds, steps(record, load, stacks)];
    tables.into_iter().filter(|table| !table.rows.is_empty()).collect()
}

/// The valid rounds of a stack under a load.
fn valid<'a>(record: &'a Record, load: &'a str, stack: &'a str) -> Vec<&'a Measured> {
    let rounds = record.rounds.iter().filter(move |round| round.load == load && round.stack == stack);
    rounds.filter_map(RoundRecord::valid).collect()
}

fn shown(values: impl Iterator<Item = Option<f64>>, form: impl Fn(f64) -> String) -> String {
    let values: Vec<f64> = values.flatten().collect();
    median(&values).map_or_else(|| "–".to_owned(), form)
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// How an open loop's schedule was kept: medians over the valid rounds, what was not asked added up.
fn schedule(record: &Record, load: &str, stacks: &[&str]) -> Rows {
    let header = names(&[
        "stack",
        "asked/s",
        "answered/s",
        "response max",
        "service p50",
        "service p99",
        "lag p99",
        "shed",
        "unsent",
    ]);
    let row = |stack: &str| {
        let rounds = valid(record, load, stack);
        let opens: Vec<(&Measured, &OpenMeasured)> =
            rounds.iter().filter_map(|measured| Some((*measured, measured.open.as_deref()?))).collect();
        if opens.is_empty() {
            return None;
        }
        let of = |value: &dyn Fn(&Measured, &OpenMeasured) -> Option<f64>, form: fn(f64) -> String| {
            shown(opens.iter().map(|(measured, open)| value(measured, open)), form)
        };
        let time =
            |times: Option<&Distribution>, value: fn(&Distribution) -> u64| times.map(|times| value(times) as f64);
        let asked = |measured: &Measured, open: &OpenMeasured| open.scheduled as f64 * 1e6 / measured.window_us as f64;
        let sum = |value: fn(&OpenMeasured) -> u64| opens.iter().map(|(_, open)| value(open)).sum::<u64>().to_string();
        Some(vec![
            stack.to_owned(),
            of(&|measured, open| Some(asked(measured, open)), grouped),
            of(&|measured, _| Some(measured.throughput_per_s), grouped),
            of(&|_, open| time(open.response_time.as_ref(), |times| times.max_us), micros),
            of(&|measured, _| time(measured.service_time.as_ref(), |times| times.p50_us), micros),
            of(&|measured, _| time(measured.service_time.as_ref(), |times| times.p99_us), micros),
            of(&|_, open| time(open.lag.as_ref(), |times| times.p99_us), micros),
            sum(|open| open.shed),
            sum(|open| open.unsent),
        ])
    };
    let rows = stacks.iter().filter_map(|stack| row(stack)).collect();
    Rows { title: "as scheduled".to_owned(), header, rows }
}

/// A ramp's rates, a column each: what each stack answered well in a second of it, how long that took, and what became
/// of the rest. Medians over the valid rounds, errors added up; times and errors belong to the rate at which the request
/// was asked for.
fn rates(record: &Record, load: &str, stacks: &[&str], by_class: bool) -> [Rows; 4] {
    let stacks: Vec<(&str, Vec<&[RateMeasured]>)> = stacks
        .iter()
        .map(|stack| {
            let opens = valid(record, load, stack).into_iter().filter_map(|measured| measured.open.as_deref());
            let rates = opens.map(|open| open.rates.as_slice()).filter(|rates| !rates.is_empty());
            (*stack, rates.collect())
        })
        .collect();
    let Some(asked) = stacks.iter().find_map(|(_, rounds)| rounds.first().copied()) else {
        return [Rows::none(), Rows::none(), Rows::none(), Rows::none()];
    };
    let columns = spread(asked.len(), MOST_RATES);
    let at = |lead: &[&str]| {
        let rates = columns.iter().map(|rate| grouped(asked[*rate].asked_per_s()));
        names(lead).into_iter().chain(rates).collect::<Vec<_>>()
    };
    let (mut answered, mut medians, mut times, mut errors) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (stack, rounds) in stacks.iter().filter(|(_, rounds)| !rounds.is_empty()) {
        let of = |rate: usize| rounds.iter().filter_map(move |rates| rates.get(rate));
        // where the driver fell behind in a round, that round says nothing of the rate
        let of = |rate: usize| of(rate).filter(|rate| !rate.fell_behind());
        let ok = |rate: usize| of(rate).map(|rate| Some(rate.answered_per_s()));
        let peak = valid(record, load, stack).into_iter().map(Measured::peak_per_s);
        let lead = vec![(*stack).to_owned(), shown(peak, grouped)];
        answered.push(lead.into_iter().chain(columns.iter().map(|rate| shown(ok(*rate), grouped))).collect());
        let times_of = |percentile: fn(&Distribution) -> u64| -> Vec<String> {
            let cells = columns
                .iter()
                .map(|rate| Seen::of(of(*rate), percentile).map_or_else(|| "–".to_owned(), |seen| seen.to_string()));
            std::iter::once((*stack).to_owned()).chain(cells).collect()
        };
        // a driver that tells no times has no row of them
        if rounds.iter().any(|rates| rates.iter().any(|rate| rate.response_time.is_some())) {
            medians.push(times_of(|times| times.p50_us));
            times.push(times_of(|times| times.p99_us));
        }
        let classes = classes(rounds);
        let rows: Vec<(Option<&str>, &[String])> = match by_class {
            false => vec![(None, &classes)],
            true => classes.iter().map(|class| (Some(class.as_str()), std::slice::from_ref(class))).collect(),
        };
        for (name, classes) in rows {
            let all = |rate: &RateMeasured| classes.iter().map(|class| lost(rate, class)).sum::<u64>();
            let counts: Vec<u64> = columns.iter().map(|rate| of(*rate).map(all).sum::<u64>()).collect();
            if counts.iter().all(|count| *count == 0) {
                continue;
            }
            let cells = counts.into_iter().map(|count| if count == 0 { "·".to_owned() } else { grouped(count as f64) });
            let lead = std::iter::once(*stack).chain(name).map(str::to_owned);
            errors.push(lead.chain(cells).collect());
        }
    }
    let of_times = |what: &str, rows: Vec<Vec<String>>| {
        let has_bounds = rows.iter().flatten().any(|cell| cell.starts_with('≤'));
        let reading = if has_bounds { format!(" ({BOUND})") } else { String::new() };
        Rows { title: format!("{what}, by requests asked per second{reading}"), header: at(&["stack"]), rows }
    };
    [
        Rows {
            title: "good answers per second, by requests asked per second".to_owned(),
            header: at(&["stack", "peak"]),
            rows: answered,
        },
        of_times("median response time", medians),
        of_times("99th percentile of the response time", times),
        Rows {
            title: "not answered well, by requests asked per second".to_owned(),
            header: if by_class { at(&["stack", "class"]) } else { at(&["stack"]) },
            rows: errors,
        },
    ]
}

/// At most `most` of `count` numbers, evenly spread, the first and the last among them.
pub(super) fn spread(count: usize, most: usize) -> Vec<usize> {
    if count <= most { (0..count).collect() } else { (0..most).map(|index| index * (count - 1) / (most - 1)).collect() }
}

/// Every way in which requests of a ramp were not answered well, over all its rates.
fn classes(rounds: &[&[RateMeasured]]) -> Vec<String> {
    let rates = || rounds.iter().flat_map(|rates| rates.iter());
    let failed: BTreeSet<String> =
        rates().flat_map(|rate| rate.failed.keys().map(|class| class.name().to_owned())).collect();
    let shed = rates().any(|rate| rate.shed > 0).then(|| SHED.to_owned());
    let unsent = rates().any(|rate| rate.unsent > 0).then(|| UNSENT.to_owned());
    failed.into_iter().chain(shed).chain(unsent).collect()
}

/// How many requests of one rate ended so.
fn lost(rate: &RateMeasured, class: &str) -> u64 {
    match class {
        SHED => rate.shed,
        UNSENT => rate.unsent,
        _ => rate.failed.iter().filter(|(failed, _)| failed.name() == class).map(|(_, count)| count).sum(),
    }
}

const SHED: &str = "shed";
const UNSENT: &str = "unsent";

/// A ramp's seconds, with what each stack answered and its 99th percentile: medians over the valid rounds.
fn seconds(record: &Record, load: &str, stacks: &[&str]) -> Rows {
    let stacks: Vec<(&str, Vec<&Measured>)> = stacks.iter().map(|stack| (*stack, valid(record, load, stack))).collect();
    let offered: Vec<u64> = stacks
        .iter()
        .flat_map(|(_, rounds)| rounds.first())
        .next()
        .map(|measured| measured.seconds.iter().filter_map(|second| second.offered).collect())
        .unwrap_or_default();
    let is_ramp = offered.iter().max() >= offered.iter().min().map(|least| least * RAMP).as_ref();
    let mut header = names(&["second", "asked"]);
    header.extend(stacks.iter().flat_map(|(name, _)| [format!("{name} answered"), "p99".to_owned()]));
    if offered.is_empty() || !is_ramp || offered.len() > MOST_SECONDS {
        return Rows::none();
    }
    let row = |(number, asked): (usize, &u64)| {
        let mut cells = vec![(number + 1).to_string(), grouped(*asked as f64)];
        for (_, rounds) in &stacks {
            let second = || rounds.iter().filter_map(|measured| measured.seconds.get(number));
            cells.push(shown(second().map(|second| Some(second.answered as f64)), grouped));
            cells.push(shown(second().map(|second| second.times_us.as_ref().map(|times| times.p99 as f64)), micros));
        }
        cells
    };
    Rows { title: "second by second".to_owned(), header, rows: offered.iter().enumerate().map(row).collect() }
}

/// A journey's steps: medians over the valid rounds, errors added up.
fn steps(record: &Record, load: &str, stacks: &[&str]) -> Rows {
    let mut rows = Vec::new();
    for stack in stacks {
        let rounds = valid(record, load, stack);
        let Some(first) = rounds.first() else { continue };
        for (number, step) in first.steps.iter().enumerate() {
            let step_of =
                || rounds.iter().filter_map(|measured| Some((measured.window_us, measured.steps.get(number)?)));
            let time = |value: fn(&Distribution) -> u64| {
                shown(step_of().map(|(_, step)| step.service_time.as_ref().map(|times| value(times) as f64)), micros)
            };
            rows.push(vec![
                (*stack).to_owned(),
                step.name.clone(),
                shown(step_of().map(|(window_us, step)| Some(step.ok as f64 * 1e6 / window_us as f64)), grouped),
                time(|times| times.p50_us),
                time(|times| times.p99_us),
                step_of().map(|(_, step)| step.failed).sum::<u64>().to_string(),
            ]);
        }
    }
    Rows {
        title: "step by step".to_owned(),
        header: names(&["stack", "step", "answered/s", "p50", "p99", "errors"]),
        rows,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_rates_the_first_the_last_and_some_between_are_shown() {
        assert_eq!(spread(3, 12), [0, 1, 2]);
        assert_eq!(spread(30, 4), [0, 9, 19, 29]);
    }
}
