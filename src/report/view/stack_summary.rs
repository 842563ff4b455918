//! The result of each stack under one load: its rank and its valid rounds. Shared by tables and charts.

use super::text_table::NO_VALUE;
use crate::record::{LoadRanking, Measured, RankRange, Record, RoundOutcome, RoundRecord, StackRecord};
use crate::scenario::model::Metric;
use lab_stats::sample;

/// A stack that was driven by a load.
#[derive(Debug)]
pub struct StackSummary<'a> {
    pub stack: &'a StackRecord,
    /// The rank range by throughput. `None` without a valid round.
    pub rank: Option<&'a RankRange>,
    /// The valid rounds.
    pub rounds: Vec<&'a Measured>,
}

/// A metric over rounds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MinMedianMax {
    pub min: f64,
    pub median: f64,
    pub max: f64,
}

impl MinMedianMax {
    /// `None` if there are no values.
    pub fn from_values(values: impl Iterator<Item = f64>) -> Option<MinMedianMax> {
        let values: Vec<f64> = values.collect();
        let median = sample::median(&values)?;
        let min = values.iter().copied().fold(f64::INFINITY, f64::min);
        let max = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        Some(MinMedianMax { min, median, max })
    }
}

impl StackSummary<'_> {
    #[must_use]
    pub fn metric(&self, metric: Metric) -> Option<MinMedianMax> {
        MinMedianMax::from_values(self.rounds.iter().filter_map(|measured| measured.metric(metric)))
    }

    /// The rank range, or a dash.
    #[must_use]
    pub fn rank_cell(&self) -> String {
        self.rank.map_or_else(|| NO_VALUE.to_owned(), ToString::to_string)
    }

    /// The versions of all components.
    #[must_use]
    pub fn version(&self) -> String {
        let parts: Vec<&str> = self.stack.components.iter().map(|component| component.version.as_str()).collect();
        parts.join(" → ")
    }
}

/// The loads that drove any stack, in the scenario's order.
#[must_use]
pub fn driven_loads(record: &Record) -> Vec<&str> {
    numbered_loads(record).into_iter().map(|(_, load)| load).collect()
}

/// The same, each with its number among all loads that are to drive a stack. It stays the same while a run goes on.
#[must_use]
pub fn numbered_loads(record: &Record) -> Vec<(usize, &str)> {
    let mut loads: Vec<&str> = Vec::new();
    for estimate in &record.estimates {
        if !loads.contains(&estimate.load.as_str()) {
            loads.push(&estimate.load);
        }
    }
    let is_driven = |load: &str| record.rounds.iter().any(|round| round.load == load);
    loads.into_iter().enumerate().filter(|(_, load)| is_driven(load)).collect()
}

/// Every stack that a load has driven: the best first, those without a rank last.
#[must_use]
pub fn summaries<'a>(record: &'a Record, load: &str) -> Vec<StackSummary<'a>> {
    let throughput = |ranking: &&LoadRanking| ranking.load == load && ranking.metric == Metric::Throughput.name();
    let ranks: &[RankRange] = record.rankings.iter().find(throughput).map_or(&[], |ranking| &ranking.ranks);
    let summary = |stack: &'a StackRecord| {
        let visits = record.rounds.iter().filter(|round| round.load == load && round.stack == stack.name);
        let visits: Vec<&RoundRecord> = visits.collect();
        let is_driven = |round: &&RoundRecord| !matches!(round.outcome, RoundOutcome::Unavailable { .. });
        if !visits.iter().any(is_driven) {
            return None;
        }
        let rounds: Vec<&Measured> = visits.into_iter().filter_map(RoundRecord::valid).collect();
        let order = ranks.iter().position(|rank| rank.stack == stack.name);
        Some((order, StackSummary { stack, rank: order.map(|at| &ranks[at]), rounds }))
    };
    let mut found: Vec<_> = record.stacks.iter().filter_map(summary).collect();
    found.sort_by_key(|(order, _)| order.unwrap_or(usize::MAX));
    found.into_iter().map(|(_, summary)| summary).collect()
}

/// The stacks that a load has not driven, each with the reason.
#[must_use]
pub fn unmeasured<'a>(record: &'a Record, load: &str) -> Vec<(&'a str, String)> {
    let measured = summaries(record, load);
    let without = record.stacks.iter().filter(|stack| !measured.iter().any(|one| one.stack.name == stack.name));
    without.map(|stack| (stack.name.as_str(), unmeasured_reason(record, load, stack))).collect()
}

fn unmeasured_reason(record: &Record, load: &str, stack: &StackRecord) -> String {
    let first_line = |text: &str| text.lines().next().unwrap_or_default().to_owned();
    if let Some(missing) = &stack.unavailable {
        return first_line(missing);
    }
    if let Some(error) = &stack.error {
        return format!("could not run: {}", first_line(error));
    }
    let failed: Vec<&str> =
        stack.checks.iter().filter(|check| !check.passed()).map(|check| check.name.as_str()).collect();
    if !failed.is_empty() {
        return format!("failed its checks: {}", failed.join("; "));
    }
    let rounds = record.rounds.iter().filter(|round| round.load == load && round.stack == stack.name);
    let missing = rounds.filter_map(|round| match &round.outcome {
        RoundOutcome::Unavailable { missing } => Some(missing.as_str()),
        RoundOutcome::Measured(_) | RoundOutcome::Failed { .. } => None,
    });
    missing.map(first_line).next().unwrap_or_else(|| "only checked, or not driven by this load".to_owned())
}
