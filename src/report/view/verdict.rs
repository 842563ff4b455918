//! Verdicts in words: the name of what is judged, the word for the verdict, and its grounds.

use std::fmt::Write as _;
use std::time::Duration;

use jiff::Timestamp;

use crate::record::{LimitVerdict, MetricVerdict, OUT_OF_REACH, PastLevel, Provenance, Record, RoundOutcome, Verdict};
use crate::report::numbers::{grouped, micros, three_digits};
use crate::scenario::model::{Growth, Metric};

/// A metric with its load and stack, and with its baseline if that is the stack's past.
#[must_use]
pub fn metric_name(metric: &MetricVerdict) -> String {
    let against = if metric.past.is_some() { " against its past" } else { "" };
    format!("{} under {} of {}{against}", metric.metric, metric.load, metric.stack)
}

/// A limit with its metric, load and stack.
#[must_use]
pub fn limit_name(limit: &LimitVerdict) -> String {
    let LimitVerdict { load, stack, metric, .. } = limit;
    let bound = if metric == Metric::Throughput.name() { "at least" } else { "at most" };
    format!("{metric} under {load} of {stack}, {bound} {}", amount(metric, limit.limit))
}

/// A metric's name in a sentence.
#[must_use]
pub fn label(metric: &str) -> String {
    if metric == Metric::CpuPerRequest.name() { "CPU per request".to_owned() } else { metric.replace('_', " ") }
}

/// A value of a limited metric with its unit.
#[must_use]
pub fn amount(metric: &str, value: f64) -> String {
    let is = |one: Metric| metric == one.name();
    match () {
        () if is(Metric::Throughput) => format!("{}/s", grouped(value)),
        () if is(Metric::CpuPerRequest) || is(Metric::P50) || is(Metric::P99) => micros(value),
        () => match Growth::by_name(metric) {
            Some(growth) => growth.display(value),
            None => format!("{value:.0}"),
        },
    }
}

#[must_use]
pub fn verdict_word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "pass",
        Verdict::Fail => "FAIL",
        Verdict::Improved => "improved",
        Verdict::Inconclusive => "inconclusive",
        Verdict::Incomparable => "incomparable",
        Verdict::Invalid => "invalid",
    }
}

/// The interval of a change and its margin, or why there is no decision. It follows the verdict's word.
#[must_use]
pub fn metric_grounds(record: &Record, metric: &MetricVerdict) -> String {
    let mut text = String::new();
    let percent = |ratio: f64| (ratio - 1.0) * 100.0;
    if let Some(change) = metric.change {
        let _ = write!(text, " ({:+.1} % … {:+.1} %, ", percent(change.lower), percent(change.upper));
        let _ = write!(text, "margin {} %, {} rounds", three_digits(metric.margin * 100.0), metric.rounds);
        if let Some(PastLevel { sessions, level, scatter }) = &metric.past {
            let level = level.map_or_else(String::new, |level| format!(" around {}", amount(&metric.metric, level)));
            let scatter = scatter.unwrap_or_default() * 100.0;
            let _ = write!(text, ", {sessions} sessions{level} that scatter by {} %", three_digits(scatter));
        }
        text.push(')');
    }
    if metric.verdict == Verdict::Inconclusive {
        let is_throughput = metric.metric == Metric::Throughput.name();
        let worse =
            metric.change.map(|change| if is_throughput { -percent(change.lower) } else { percent(change.upper) });
        let told = worse.map(|worse| format!("this margin: {} % could be told", three_digits(worse)));
        undecided(&mut text, record, (metric.further_rounds, metric.rounds), metric.because.as_deref(), told);
    } else if let Some(because) = &metric.because {
        let _ = write!(text, ": {because}");
    }
    if let Some(first) = metric.first {
        let change = first.change.map_or_else(String::new, |change| {
            format!(" ({:+.1} % … {:+.1} %, {} rounds)", percent(change.lower), percent(change.upper), first.rounds)
        });
        let _ = write!(text, "; measured once more, because the first sample failed{change}");
    }
    text
}

/// The interval of a value, or why there is no decision. It follows the verdict's word.
#[must_use]
pub fn limit_grounds(record: &Record, limit: &LimitVerdict) -> String {
    let mut text = String::new();
    let metric = &limit.metric;
    match (limit.interval, limit.value) {
        (Some(interval), _) => {
            let [lower, upper] = [interval.lower, interval.upper].map(|value| amount(metric, value));
            let _ = write!(text, " ({lower} … {upper}, {} rounds)", limit.rounds);
        }
        (None, Some(value)) => {
            let _ = write!(text, " ({}, {} rounds)", amount(metric, value), limit.rounds);
        }
        (None, None) => {}
    }
    if limit.verdict == Verdict::Inconclusive {
        let is_throughput = *metric == Metric::Throughput.name();
        let worse = limit.interval.map(|interval| if is_throughput { interval.lower } else { interval.upper });
        let told = worse.map(|worse| format!("this limit: {} could be told", amount(metric, worse)));
        undecided(&mut text, record, (limit.further_rounds, limit.rounds), limit.because.as_deref(), told);
    } else if let Some(because) = &limit.because {
        let _ = write!(text, ": {because}");
    }
    if let Some(first) = limit.first {
        let interval = first.interval.map_or_else(String::new, |interval| {
            let [lower, upper] = [interval.lower, interval.upper].map(|value| amount(metric, value));
            format!(" ({lower} … {upper}, {} rounds)", first.rounds)
        });
        let _ = write!(text, "; measured once more, because the first sample failed{interval}");
    }
    text
}

/// The longest time that a run may reasonably take.
const LONGEST_RUN: Duration = Duration::from_secs(24 * 3600);

/// What would decide, with the time it takes; or what could be told instead.
fn undecided(
    text: &mut String,
    record: &Record,
    (further, made): (Option<u32>, usize),
    because: Option<&str>,
    told: Option<String>,
) {
    let time = further.and_then(|further| block_time(record)?.checked_mul(further));
    let is_feasible = time.is_none_or(|time| time <= LONGEST_RUN);
    match (further.filter(|_| is_feasible), told) {
        (Some(further), _) => {
            let time = time.map_or_else(String::new, |time| format!(" ({})", approximate(time)));
            let rounds = if further == 1 { "round" } else { "rounds" };
            let _ = write!(text, "; {further} more {rounds} would probably decide it{time}");
        }
        // Too few rounds for an interval: nothing can be told.
        (None, Some(told)) if because.is_none_or(|because| because.starts_with(OUT_OF_REACH)) && made > 0 => {
            let _ = write!(text, ": too noisy here for {told}");
        }
        (None, _) => {
            let _ = write!(text, ": {}", because.unwrap_or("too noisy here"));
        }
    }
}

/// The average time of a block; `None` without rounds.
fn block_time(record: &Record) -> Option<Duration> {
    let blocks = record.rounds.iter().map(|round| round.block).max()? + 1;
    let Provenance { started, ended, resumed, .. } = &record.provenance;
    let is_whole = resumed.is_empty() && record.confirmation.is_none();
    let elapsed = ended.parse::<Timestamp>().ok().zip(started.parse::<Timestamp>().ok());
    let elapsed = elapsed.and_then(|(ended, started)| Duration::try_from(ended.duration_since(started)).ok());
    // An interruption takes no part in the time, and neither does the second sample: then the windows alone count.
    let measured = record.rounds.iter().filter_map(|round| match &round.outcome {
        RoundOutcome::Measured(measured) => Some(measured.window_us + measured.warmup.lasted_us),
        RoundOutcome::Failed { .. } | RoundOutcome::Unavailable { .. } => None,
    });
    let windows = Duration::from_micros(measured.sum());
    Some(elapsed.filter(|_| is_whole).unwrap_or(windows) / blocks)
}

/// About how long: in minutes, above two hours in hours.
fn approximate(time: Duration) -> String {
    let minutes = time.as_secs_f64() / 60.0;
    match minutes {
        minutes if minutes < 1.5 => "about a minute".to_owned(),
        minutes if minutes < 119.5 => format!("about {minutes:.0} minutes"),
        minutes => format!("about {:.0} hours", minutes / 60.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_times_are_hours() {
        let times = [20, 89, 91, 600, 7160, 7200, 40_000].map(|seconds| approximate(Duration::from_secs(seconds)));
        let expected = [
            "about a minute",
            "about a minute",
            "about 2 minutes",
            "about 10 minutes",
            "about 119 minutes",
            "about 2 hours",
            "about 11 hours",
        ];
        assert_eq!(times, expected);
    }
}
