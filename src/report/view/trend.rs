//! The history of a scenario: a series for each metric of each stack under each load on each machine, with its change points.
//!
//! For triage. A change point says where to look; whether the change is real is a question for `lab compare`, which measures
//! both revisions.

use std::collections::BTreeMap;

use crate::record::{SessionFigure, SessionLine};
use crate::report::numbers::three_digits;
use crate::report::view::verdict::amount;
use crate::scenario::model::{Growth, Metric};
use lab_stats::change_points::{SEED, SIGNIFICANCE, change_points};

/// One metric or growth over the sessions of one machine.
#[derive(Debug, Clone, PartialEq)]
pub struct Trend {
    pub machine: String,
    /// The machine in words.
    pub cpu: String,
    pub load: String,
    pub stack: String,
    pub metric: String,
    /// By the ends of the sessions.
    pub points: Vec<TrendPoint>,
    pub changes: Vec<TrendChange>,
}

/// A figure and its session.
#[derive(Debug, Clone, PartialEq)]
pub struct TrendPoint {
    pub value: f64,
    pub interval: Option<(f64, f64)>,
    /// RFC 3339.
    pub ended: String,
    pub revision: Option<String>,
    /// Whether files differed from that revision.
    pub is_modified: bool,
}

/// A change of the level.
#[derive(Debug, Clone, PartialEq)]
pub struct TrendChange {
    /// The first point of the new level.
    pub index: usize,
    /// The means of the levels: geometric, or arithmetic of growth, which may be zero or negative.
    pub before: f64,
    pub after: f64,
    /// Whether the new level is the worse one.
    pub is_worse: bool,
}

/// Which series are wanted; everything by default.
#[derive(Debug, Clone, Default)]
pub struct TrendFilter {
    pub loads: Vec<String>,
    pub stacks: Vec<String>,
    pub metrics: Vec<String>,
    pub machines: Vec<String>,
}

impl TrendFilter {
    fn accepts(&self, machine: &str, figure: &SessionFigure) -> bool {
        let is_wanted = |wanted: &[String], name: &str| wanted.is_empty() || wanted.iter().any(|one| one == name);
        is_wanted(&self.machines, machine)
            && is_wanted(&self.loads, &figure.load)
            && is_wanted(&self.stacks, &figure.stack)
            && is_wanted(&self.metrics, &figure.metric)
    }
}

/// The series of a history, whose sessions are in the order of their ends.
#[must_use]
pub fn trends(sessions: &[SessionLine], filter: &TrendFilter) -> Vec<Trend> {
    type Key<'a> = (&'a str, &'a str, &'a str, &'a str);
    let mut series: BTreeMap<Key<'_>, (String, Vec<TrendPoint>)> = BTreeMap::new();
    for session in sessions {
        for figure in session.figures.iter().filter(|figure| filter.accepts(&session.machine, figure)) {
            let key: Key<'_> = (&session.machine, &figure.load, &figure.stack, &figure.metric);
            let (cpu, points) = series.entry(key).or_default();
            cpu.clone_from(&session.cpu);
            points.push(point(session, figure));
        }
    }
    let trends = series.into_iter().map(|((machine, load, stack, metric), (cpu, points))| Trend {
        machine: machine.to_owned(),
        cpu,
        load: load.to_owned(),
        stack: stack.to_owned(),
        metric: metric.to_owned(),
        changes: changes(metric, &points),
        points,
    });
    trends.collect()
}

fn point(session: &SessionLine, figure: &SessionFigure) -> TrendPoint {
    TrendPoint {
        value: figure.value,
        interval: figure.lower.zip(figure.upper),
        ended: session.ended.clone(),
        revision: session.revision.clone(),
        is_modified: session.is_modified,
    }
}

/// Metrics are on the logarithmic scale, on which twice as much and half as much are equally far from no change.
fn changes(metric: &str, points: &[TrendPoint]) -> Vec<TrendChange> {
    let is_growth = Growth::by_name(metric).is_some();
    let to_scale = |value: f64| if is_growth { value } else { value.ln() };
    let from_scale = |level: f64| if is_growth { level } else { level.exp() };
    let values: Vec<f64> = points.iter().map(|point| to_scale(point.value)).filter(|value| value.is_finite()).collect();
    if values.len() < points.len() {
        return Vec::new();
    }
    let more_is_better = metric == Metric::Throughput.name();
    let found = change_points(&values, SIGNIFICANCE, SEED).into_iter();
    let changes = found.map(|change| TrendChange {
        index: change.index,
        before: from_scale(change.before),
        after: from_scale(change.after),
        is_worse: (change.after < change.before) == more_is_better,
    });
    changes.collect()
}

impl Trend {
    /// The last point before a change and the first one after it.
    #[must_use]
    pub fn around(&self, change: &TrendChange) -> (&TrendPoint, &TrendPoint) {
        (&self.points[change.index - 1], &self.points[change.index])
    }

    /// A change as a percentage, where that has a meaning, and both levels.
    #[must_use]
    pub fn size(&self, change: &TrendChange) -> ChangeSize {
        let percent = (change.after / change.before - 1.0) * 100.0;
        let sign = if percent < 0.0 { '−' } else { '+' };
        let is_growth = Growth::by_name(&self.metric).is_some();
        let [before, after] = [change.before, change.after].map(|level| amount(&self.metric, level));
        ChangeSize {
            percentage: (!is_growth).then(|| format!("{sign}{} %", three_digits(percent.abs()))),
            levels: format!("{before} → {after}"),
        }
    }
}

/// The size of a change in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeSize {
    /// `None` of growth, whose levels may be zero.
    pub percentage: Option<String>,
    pub levels: String,
}
