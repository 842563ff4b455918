//! The verdicts of the gate: each change with its interval and its margin.

use serde::Serialize;

use super::verdict::{limit_grounds, limit_name, metric_grounds, metric_name, verdict_word};
use super::versions::Tone;
use crate::record::{MetricVerdict, Record, Verdict};
use crate::scenario::model::Metric;
use lab_stats::verdict::{Direction, Limits};

/// A verdict in words.
#[derive(Debug, Serialize)]
pub struct VerdictRow {
    pub stack: String,
    pub name: String,
    pub verdict: &'static str,
    pub tone: Tone,
    pub grounds: String,
}

/// A gated metric as a ratio to its baseline.
#[derive(Debug, Serialize)]
pub struct GateChange {
    pub stack: String,
    pub name: String,
    pub tone: Tone,
    /// Changes in per cent: the interval, and the margin at which a metric fails.
    pub interval: Option<[f64; 2]>,
    pub margin: f64,
}

/// A row for each margin and limit.
#[must_use]
pub fn verdicts(record: &Record) -> Vec<VerdictRow> {
    let row = |stack: &str, name: String, verdict: Verdict, grounds: String| VerdictRow {
        stack: stack.to_owned(),
        name,
        verdict: verdict_word(verdict),
        tone: tone(verdict),
        grounds: grounds.trim_start_matches([' ', ';', ':']).to_owned(),
    };
    let metrics = record.gate.metrics.iter();
    let metrics = metrics.map(|one| row(&one.stack, metric_name(one), one.verdict, metric_grounds(record, one)));
    let limits = record.gate.limits.iter();
    let limits = limits.map(|one| row(&one.stack, limit_name(one), one.verdict, limit_grounds(record, one)));
    metrics.chain(limits).collect()
}

/// The metrics with a margin, for a chart.
#[must_use]
pub fn changes(record: &Record) -> Vec<GateChange> {
    record.gate.metrics.iter().filter(|metric| metric.margin > 0.0).map(GateChange::new).collect()
}

impl GateChange {
    fn new(metric: &MetricVerdict) -> GateChange {
        let percent = |ratio: f64| (ratio - 1.0) * 100.0;
        let direction = match metric.metric == Metric::Throughput.name() {
            true => Direction::HigherIsBetter,
            false => Direction::LowerIsBetter,
        };
        let worse = Limits::new(metric.margin, direction).worse;
        GateChange {
            stack: metric.stack.clone(),
            name: metric_name(metric),
            tone: tone(metric.verdict),
            interval: metric.change.map(|change| [percent(change.lower), percent(change.upper)]),
            margin: percent(direction.worsening(worse).exp()),
        }
    }
}

fn tone(verdict: Verdict) -> Tone {
    match verdict {
        Verdict::Pass | Verdict::Improved => Tone::Good,
        Verdict::Inconclusive | Verdict::Incomparable => Tone::Unsure,
        Verdict::Fail | Verdict::Invalid => Tone::Bad,
    }
}
