//! The distribution of times of every stack under one load, over its valid rounds: response times from the scheduled instant,
//! service times from the send.

use hdrhistogram::Histogram;
use serde::Serialize;

use super::rounds::valid_rounds;
use super::text_table::{TextTable, median_cell, owned_cells};
use crate::record::Record;
use crate::record::{Distribution, Measured};
use crate::report::numbers::micros;
use lab_stats::sample::median;

/// Positions within a decade of the tail, which are about evenly spaced on a logarithmic scale.
const STEPS: [f64; 8] = [1.0, 1.25, 1.6, 2.0, 2.5, 4.0, 5.0, 8.0];

/// Selects a percentile of times, in microseconds.
type Percentile = fn(&Distribution) -> u64;

/// Which times a curve shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Times {
    /// From the scheduled instant to the end of the response; only of open loops.
    Response,
    /// From the send to the end of the response.
    Service,
}

/// The curves of one load.
#[derive(Debug, Serialize)]
pub struct PercentileCurves {
    pub curves: Vec<PercentileCurve>,
    /// Whether the record has no histograms, so that a curve has four points.
    pub is_abridged: bool,
}

/// The times of one stack.
#[derive(Debug, Serialize)]
pub struct PercentileCurve {
    pub stack: String,
    pub times: Times,
    /// Pairs of 1 / (1 - quantile) and microseconds: 10 is the 90th percentile, 100 the 99th.
    pub points: Vec<[f64; 2]>,
}

impl Times {
    fn of(self, measured: &Measured) -> Option<&Distribution> {
        match self {
            Times::Response => measured.open.as_deref()?.response_time.as_ref(),
            Times::Service => measured.service_time.as_ref(),
        }
    }

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Times::Response => "response time",
            Times::Service => "service time",
        }
    }
}

impl PercentileCurves {
    /// `None` if no driver reports times.
    #[must_use]
    pub fn new(record: &Record, load: &str, stacks: &[&str]) -> Option<PercentileCurves> {
        let mut curves = Vec::new();
        let mut is_abridged = false;
        for stack in stacks {
            for times in [Times::Response, Times::Service] {
                let rounds = valid_rounds(record, load, stack);
                let rounds: Vec<&Distribution> = rounds.into_iter().filter_map(|one| times.of(one)).collect();
                let points = merged(&rounds).map(|histogram| curve(&histogram));
                is_abridged |= points.is_none() && !rounds.is_empty();
                let points = points.unwrap_or_else(|| medians(&rounds));
                if !points.is_empty() {
                    curves.push(PercentileCurve { stack: (*stack).to_owned(), times, points });
                }
            }
        }
        (!curves.is_empty()).then_some(PercentileCurves { curves, is_abridged })
    }
}

/// All rounds together; `None` if one has no histogram that can be read.
fn merged(rounds: &[&Distribution]) -> Option<Histogram<u64>> {
    let mut rounds = rounds.iter().map(|times| times.histogram().ok());
    let mut all = rounds.next()??;
    for histogram in rounds {
        all.add(histogram?).ok()?;
    }
    Some(all)
}

/// Points up to the last quantile that more than one request is beyond.
fn curve(histogram: &Histogram<u64>) -> Vec<[f64; 2]> {
    let count = histogram.len() as f64;
    let tails = (0..10).flat_map(|decade| STEPS.map(|step| step * 10_f64.powi(decade)));
    let tails = tails.take_while(|tail| *tail <= count.max(1.0));
    tails.map(|tail| [tail, histogram.value_at_quantile(1.0 - 1.0 / tail) as f64]).collect()
}

/// The medians over the rounds of the percentiles that an abridged record keeps.
fn medians(rounds: &[&Distribution]) -> Vec<[f64; 2]> {
    let kept: [(f64, Percentile); 4] = [
        (2.0, |times| times.p50_us),
        (10.0, |times| times.p90_us),
        (100.0, |times| times.p99_us),
        (1000.0, |times| times.p999_us),
    ];
    let point = |(tail, percentile): (f64, Percentile)| {
        let values: Vec<f64> = rounds.iter().map(|times| percentile(times) as f64).collect();
        Some([tail, median(&values)?])
    };
    kept.into_iter().filter_map(point).collect()
}

/// The percentiles of each stack: medians over the valid rounds, and the largest time of all.
#[must_use]
pub fn table(record: &Record, load: &str, stacks: &[&str]) -> TextTable {
    let mut rows = Vec::new();
    for stack in stacks {
        for times in [Times::Response, Times::Service] {
            let rounds = valid_rounds(record, load, stack);
            let rounds: Vec<&Distribution> = rounds.into_iter().filter_map(|one| times.of(one)).collect();
            let cell = |percentile: fn(&Distribution) -> u64| {
                median_cell(rounds.iter().map(|times| Some(percentile(times) as f64)), micros)
            };
            let Some(longest) = rounds.iter().map(|times| times.max_us).max() else { continue };
            rows.push(vec![
                (*stack).to_owned(),
                times.name().to_owned(),
                cell(|times| times.p50_us),
                cell(|times| times.p90_us),
                cell(|times| times.p99_us),
                cell(|times| times.p999_us),
                micros(longest as f64),
            ]);
        }
    }
    let header = ["stack", "time", "p50", "p90", "p99", "p99.9", "longest"];
    TextTable { title: "percentiles".to_owned(), header: owned_cells(&header), rows }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn curve_ends_where_one_request_is_left() {
        let mut histogram = Histogram::<u64>::new(3).unwrap();
        (1..=1000).for_each(|us| histogram.record(us).unwrap());
        let points = curve(&histogram);
        assert_eq!(points.last().unwrap()[0], 1000.0);
        let at = |tail: f64| points.iter().find(|point| point[0] == tail).unwrap()[1];
        assert_eq!([at(2.0), at(10.0), at(100.0), at(1000.0)], [500.0, 900.0, 990.0, 999.0]);
    }
}
