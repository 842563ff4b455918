//! A run at a glance: a line for each stack and load, with a mark for each round.

use super::outcome::outcome;
use super::rounds::evenly_spaced;
use super::stack_summary::driven_loads;
use super::test_suites::RunContext;
use super::text_table::{NO_VALUE, TextTable, owned_cells};
use super::versions::Answer;
use crate::record::{Record, RoundOutcome, RoundRecord};
use crate::report::numbers::{grouped, micros};
use crate::scenario::model::Metric;
use lab_stats::sample::median;

/// From the lowest to the highest.
const MARKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// A round that does not count.
const INVALID_MARK: char = '×';
/// The deviation from the median, as a fraction, that has the lowest or the highest mark. A fixed one shows noise as what it is.
const SPREAD: f64 = 0.1;
/// More marks would leave no room for the figures.
const MAX_MARKS: usize = 16;
/// More lines are no glance.
const MAX_LINES: usize = 16;

/// A run at a glance.
pub struct RunSummary {
    /// `None` if nothing was measured.
    pub table: Option<TextTable>,
    /// How many lines are left out.
    pub left_out: usize,
    pub answer: Answer,
}

impl RunSummary {
    #[must_use]
    pub fn new(record: &Record, context: RunContext) -> RunSummary {
        let pairs = driven_loads(record)
            .into_iter()
            .flat_map(|load| record.stacks.iter().filter_map(move |stack| line(record, load, &stack.name)));
        let mut rows: Vec<Vec<String>> = pairs.collect();
        let left_out = rows.len().saturating_sub(MAX_LINES);
        rows.truncate(MAX_LINES);
        let header = owned_cells(&["load", "stack", "rounds", "req/s", "p99", "CPU/req"]);
        let title = format!("each mark is a round's throughput, within {:.0} % of the median", SPREAD * 100.0);
        RunSummary {
            table: (!rows.is_empty()).then_some(TextTable { title, header, rows }),
            left_out,
            answer: outcome(record, context),
        }
    }
}

/// `None` if the load has not driven the stack.
fn line(record: &Record, load: &str, stack: &str) -> Option<Vec<String>> {
    let rounds = record.rounds.iter().filter(|round| round.load == load && round.stack == stack);
    let rounds: Vec<&RoundRecord> = rounds.collect();
    let metric = |metric: Metric, format: fn(f64) -> String| {
        let values: Vec<f64> = rounds.iter().filter_map(|round| round.valid()?.metric(metric)).collect();
        median(&values).map_or_else(|| NO_VALUE.to_owned(), format)
    };
    (!rounds.is_empty()).then(|| {
        vec![
            load.to_owned(),
            stack.to_owned(),
            marks(&rounds.iter().map(|round| valid_throughput(round)).collect::<Vec<_>>()),
            metric(Metric::Throughput, grouped),
            metric(Metric::P99, micros),
            metric(Metric::CpuPerRequest, micros),
        ]
    })
}

/// `None` for a round that does not count.
fn valid_throughput(round: &RoundRecord) -> Option<f64> {
    match &round.outcome {
        RoundOutcome::Measured(_) => round.valid()?.metric(Metric::Throughput),
        RoundOutcome::Failed { .. } | RoundOutcome::Unavailable { .. } => None,
    }
}

/// A mark for each round, evenly chosen if there are many.
fn marks(rounds: &[Option<f64>]) -> String {
    let known: Vec<f64> = rounds.iter().copied().flatten().collect();
    let middle = median(&known).unwrap_or(0.0);
    let mark = |value: f64| {
        let deviation = if middle > 0.0 { (value / middle - 1.0) / SPREAD } else { 0.0 };
        // From -1 … 1 to the positions of the marks.
        let position = (deviation.clamp(-1.0, 1.0) + 1.0) / 2.0 * (MARKS.len() - 1) as f64;
        MARKS[position.round() as usize]
    };
    let shown = evenly_spaced(rounds.len(), MAX_MARKS).into_iter().map(|at| rounds[at]);
    shown.map(|round| round.map_or(INVALID_MARK, mark)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_show_deviations_from_the_median() {
        assert_eq!(marks(&[Some(100.0), Some(100.0), Some(101.0)]), "▅▅▅");
        assert_eq!(marks(&[Some(80.0), Some(90.0), Some(100.0), Some(105.0), Some(200.0)]), "▁▁▅▆█");
        assert_eq!(marks(&[None, Some(7.0)]), "×▅");
        assert_eq!(marks(&[]), "");
        assert_eq!(marks(&[Some(1.0); 90]).chars().count(), MAX_MARKS);
    }
}
