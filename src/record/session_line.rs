//! A session in one line, small enough to be committed: what a history is made of.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::estimate::Unit;
use super::round::RoundRecord;
use super::{Provenance, Record};
use crate::scenario::model::{Growth, Metric};
use lab_stats::estimate::estimate;

/// The version of the line's format.
pub const SESSION_LINE_SCHEMA: u32 = 1;

/// The confidence that intervals of figures are asked for.
const CONFIDENCE: f64 = 0.95;

/// One session of a whole scenario.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SessionLine {
    /// [`SESSION_LINE_SCHEMA`].
    pub schema: u32,
    /// The run's name.
    pub run: String,
    /// RFC 3339, in UTC.
    pub ended: String,
    /// The full hash of HEAD during the run; `None` outside of git.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// Whether files differed from that commit.
    #[serde(default)]
    pub is_modified: bool,
    /// lab's version.
    pub lab: String,
    /// [`Machine::fingerprint`](crate::measure::machine::Machine::fingerprint).
    pub machine: String,
    /// The machine in words.
    pub cpu: String,
    /// Of the scenario file.
    pub scenario_sha256: String,
    /// The driver and the path of each load, in words. Figures under different loads are not compared, even if the names
    /// are the same. Empty in lines of older versions.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub loads: BTreeMap<String, String>,
    /// SHA-256 of the exact facts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub facts: Option<String>,
    pub figures: Vec<SessionFigure>,
}

/// One metric or growth of one stack under one load.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SessionFigure {
    pub load: String,
    pub stack: String,
    /// The name, as in scenario files.
    pub metric: String,
    pub unit: Unit,
    /// The Hodges-Lehmann estimate over the valid rounds.
    pub value: f64,
    /// The exact signed-rank interval; `None` with too few rounds (95 % takes 6).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lower: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upper: Option<f64>,
    /// The confidence reached, as a fraction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence: Option<f64>,
    /// The number of valid rounds.
    pub rounds: usize,
}

/// The commit that a session ran on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SessionRevision {
    /// As in [`SessionLine`].
    pub commit: Option<String>,
    pub is_modified: bool,
}

impl SessionLine {
    /// The line of a run on `revision`, given the descriptions of its loads.
    #[must_use]
    pub fn new(record: &Record, revision: SessionRevision, loads: BTreeMap<String, String>) -> SessionLine {
        let Provenance { run, ended, lab, machine, sha256, .. } = &record.provenance;
        SessionLine {
            schema: SESSION_LINE_SCHEMA,
            run: run.clone(),
            ended: ended.clone(),
            revision: revision.commit,
            is_modified: revision.is_modified,
            lab: lab.clone(),
            machine: machine.fingerprint(),
            cpu: machine.summary(),
            scenario_sha256: sha256.clone(),
            loads,
            facts: record.gate.facts_sha256.clone(),
            figures: figures(record).chain(growth_figures(record)).collect(),
        }
    }

    /// What makes it one session: the same run of the same machine.
    #[must_use]
    pub fn key(&self) -> (&str, &str) {
        (&self.machine, &self.run)
    }

    /// The figure of a metric of a stack under a load.
    #[must_use]
    pub fn figure(&self, load: &str, stack: &str, metric: &str) -> Option<&SessionFigure> {
        self.figures.iter().find(|figure| figure.load == load && figure.stack == stack && figure.metric == metric)
    }
}

fn figures(record: &Record) -> impl Iterator<Item = SessionFigure> {
    record.estimates.iter().filter_map(|one| {
        let metric = Metric::ALL.into_iter().find(|metric| metric.name() == one.metric)?;
        let visits = record.rounds.iter().filter(|round| round.load == one.load && round.stack == one.stack);
        let values = visits.filter_map(RoundRecord::valid).filter_map(|round| round.metric(metric));
        let logs: Vec<f64> = values.filter(|value| *value > 0.0).map(f64::ln).collect();
        let found = estimate(&logs, CONFIDENCE)?;
        let interval = found.ratio_interval();
        Some(SessionFigure {
            load: one.load.clone(),
            stack: one.stack.clone(),
            metric: one.metric.clone(),
            unit: one.unit,
            value: five_digits(found.ratio()),
            lower: interval.map(|interval| five_digits(interval.lower)),
            upper: interval.map(|interval| five_digits(interval.upper)),
            confidence: interval.map(|interval| five_digits(interval.confidence)),
            rounds: found.rounds,
        })
    })
}

fn growth_figures(record: &Record) -> impl Iterator<Item = SessionFigure> {
    record.growth.iter().map(|growth| {
        let is_memory = growth.metric == Growth::Memory.name();
        SessionFigure {
            load: growth.load.clone(),
            stack: growth.stack.clone(),
            metric: growth.metric.clone(),
            unit: if is_memory { Unit::BytesPerRequest } else { Unit::PerRequest },
            value: five_digits(growth.per_request),
            lower: growth.interval.map(|interval| five_digits(interval.lower)),
            upper: growth.interval.map(|interval| five_digits(interval.upper)),
            confidence: growth.interval.map(|interval| five_digits(interval.confidence)),
            rounds: growth.rounds,
        }
    })
}

/// Rounded to five significant digits, which is more than any run can tell and keeps the line small.
fn five_digits(value: f64) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return value;
    }
    let scale = 10_f64.powi(4 - value.abs().log10().floor() as i32);
    (value * scale).round() / scale
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_rounded_to_five_digits() {
        assert_eq!(five_digits(35_631.42), 35_631.0);
        assert_eq!(five_digits(0.012_345_678), 0.012_346);
        assert_eq!(five_digits(436.278_91), 436.28);
        assert_eq!((five_digits(0.0), five_digits(-51.234_567)), (0.0, -51.235));
    }
}
