//! Where each stack stands under one load: its place, and what its valid rounds come to. What tables and charts share.

use crate::record::{LoadRanking, Measured, RankRange, Record, RoundOutcome, RoundRecord, StackRecord};
use crate::scenario::model::Metric;
use lab_stats::stats;

/// One stack that was visited under a load.
#[derive(Debug)]
pub(super) struct Standing<'a> {
    /// The stack.
    pub(super) stack: &'a StackRecord,
    /// Its place by throughput; `None` without a valid round.
    pub(super) place: Option<&'a RankRange>,
    /// Its valid rounds.
    pub(super) rounds: Vec<&'a Measured>,
}

/// What valid rounds come to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Spread {
    /// Over the rounds.
    pub(super) median: f64,
    /// The round with the least.
    pub(super) least: f64,
    /// The round with the most.
    pub(super) most: f64,
}

impl Spread {
    /// Of some values; `None` of none.
    pub(super) fn of(values: impl Iterator<Item = f64>) -> Option<Spread> {
        let values: Vec<f64> = values.collect();
        let median = stats::median(&values)?;
        let least = values.iter().copied().fold(f64::INFINITY, f64::min);
        let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        Some(Spread { median, least, most })
    }
}

impl Standing<'_> {
    /// A metric over the valid rounds.
    pub(super) fn spread(&self, metric: Metric) -> Option<Spread> {
        Spread::of(self.rounds.iter().filter_map(|measured| measured.metric(metric)))
    }

    /// The place, or a dash.
    pub(super) fn place_in_words(&self) -> String {
        self.place.map_or_else(|| "–".to_owned(), ToString::to_string)
    }

    /// The kinds and versions of its parts.
    pub(super) fn version(&self) -> String {
        let parts: Vec<&str> = self.stack.components.iter().map(|component| component.version.as_str()).collect();
        parts.join(" → ")
    }
}

/// The loads under which anything was to be measured, in the scenario's order.
pub(super) fn loads(record: &Record) -> Vec<&str> {
    let mut loads: Vec<&str> = Vec::new();
    for estimate in &record.estimates {
        let is_driven = record.rounds.iter().any(|round| round.load == estimate.load);
        if is_driven && !loads.contains(&estimate.load.as_str()) {
            loads.push(&estimate.load);
        }
    }
    loads
}

/// Every stack that was visited under a load: the best median first, then those without a place.
pub(super) fn standings<'a>(record: &'a Record, load: &str) -> Vec<Standing<'a>> {
    let throughput = |placed: &&LoadRanking| placed.load == load && placed.metric == Metric::Throughput.name();
    let places: &[RankRange] = record.rankings.iter().find(throughput).map_or(&[], |placed| &placed.ranks);
    let standing = |stack: &'a StackRecord| {
        let visits = record.rounds.iter().filter(|round| round.load == load && round.stack == stack.name);
        let visits: Vec<&RoundRecord> = visits.collect();
        let is_driven = |round: &&RoundRecord| !matches!(round.outcome, RoundOutcome::Unavailable { .. });
        if !visits.iter().any(is_driven) {
            return None;
        }
        let rounds: Vec<&Measured> = visits.into_iter().filter_map(RoundRecord::valid).collect();
        let order = places.iter().position(|place| place.stack == stack.name);
        Some((order, Standing { stack, place: order.map(|at| &places[at]), rounds }))
    };
    let mut found: Vec<_> = record.stacks.iter().filter_map(standing).collect();
    found.sort_by_key(|(order, _)| order.unwrap_or(usize::MAX));
    found.into_iter().map(|(_, standing)| standing).collect()
}

/// A stack without a measurement under a load, and why.
pub(super) fn not_measured<'a>(record: &'a Record, load: &str) -> Vec<(&'a str, String)> {
    let measured = standings(record, load);
    let without = record.stacks.iter().filter(|stack| !measured.iter().any(|one| one.stack.name == stack.name));
    without.map(|stack| (stack.name.as_str(), why_not(record, load, stack))).collect()
}

fn why_not(record: &Record, load: &str, stack: &StackRecord) -> String {
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
    let of_round = record.rounds.iter().filter(|round| round.load == load && round.stack == stack.name);
    let missing = of_round.filter_map(|round| match &round.outcome {
        RoundOutcome::Unavailable { missing } => Some(missing.as_str()),
        RoundOutcome::Measured(_) | RoundOutcome::Failed { .. } => None,
    });
    missing.map(first_line).next().unwrap_or_else(|| "is only checked, or the load is not for it".to_owned())
}
