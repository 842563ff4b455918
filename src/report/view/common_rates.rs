//! The rates of a ramp at which stacks can be compared: those that all of them kept up with.

use super::latency::LatencyCell;
use super::rounds::evenly_spaced;
use super::stack_summary::StackSummary;
use crate::record::{Distribution, RateMeasured};
use lab_stats::sample::median;

/// A stack keeps up with a rate if this share of its scheduled requests succeeds in the median round.
const SUCCESS_SHARE: f64 = 0.99;
/// More columns would make a table too wide to read.
const MAX_RATES: usize = 3;

/// A rate of a ramp.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CommonRate {
    /// The position in the ramp.
    index: usize,
    /// Scheduled arrivals per second, the median over all rounds: random arrivals never match the rate exactly.
    pub scheduled_per_s: f64,
    /// Whether every stack with a valid round kept up. If not, this is the rate that most stacks kept up with.
    pub is_common_to_all: bool,
}

/// Up to three rates that every stack kept up with: the lowest, the highest and one in the middle. If there is none, the
/// lowest of the rates that most stacks kept up with. Empty without a ramp.
#[must_use]
pub fn common_rates(summaries: &[StackSummary<'_>]) -> Vec<CommonRate> {
    let stacks: Vec<&StackSummary<'_>> = summaries.iter().filter(|one| !one.rounds.is_empty()).collect();
    let most = stacks.iter().map(|one| rates(one).map(<[_]>::len).max().unwrap_or(0)).max().unwrap_or(0);
    let keeping_up: Vec<usize> =
        (0..most).map(|index| stacks.iter().filter(|one| times(one, index).is_some()).count()).collect();
    let common: Vec<usize> = (0..most).filter(|index| keeping_up[*index] == stacks.len()).collect();
    let is_common_to_all = !common.is_empty();
    let indices = match keeping_up.iter().max() {
        Some(best) if !is_common_to_all && *best > 0 => {
            keeping_up.iter().position(|count| count == best).into_iter().collect()
        }
        _ => evenly_spaced(common.len(), MAX_RATES).into_iter().map(|at| common[at]).collect::<Vec<_>>(),
    };
    let scheduled_per_s = |index: usize| {
        let rounds: Vec<f64> =
            stacks.iter().flat_map(|one| rounds_at(one, index)).map(RateMeasured::scheduled_per_s).collect();
        median(&rounds)
    };
    let rate = |index| Some(CommonRate { index, scheduled_per_s: scheduled_per_s(index)?, is_common_to_all });
    indices.into_iter().filter_map(rate).collect()
}

impl CommonRate {
    /// A stack's median and 99th percentile of the response time. `None` if it did not keep up.
    #[must_use]
    pub fn times(&self, summary: &StackSummary<'_>) -> Option<[LatencyCell; 2]> {
        times(summary, self.index)
    }
}

fn times(summary: &StackSummary<'_>, index: usize) -> Option<[LatencyCell; 2]> {
    let shares: Vec<f64> =
        rounds_at(summary, index).map(|rate| rate.ok as f64 / rate.scheduled.max(1) as f64).collect();
    median(&shares).filter(|share| *share >= SUCCESS_SHARE)?;
    let rounds: Vec<&RateMeasured> = rounds_at(summary, index).collect();
    let cell = |percentile: fn(&Distribution) -> u64| LatencyCell::from_rates(rounds.iter().copied(), percentile);
    Some([cell(|times| times.p50_us)?, cell(|times| times.p99_us)?])
}

fn rates<'a>(summary: &StackSummary<'a>) -> impl Iterator<Item = &'a [RateMeasured]> {
    summary.rounds.clone().into_iter().filter_map(|round| Some(round.open.as_deref()?.rates.as_slice()))
}

/// One rate in all valid rounds in which the driver kept up.
fn rounds_at<'a>(summary: &StackSummary<'a>, index: usize) -> impl Iterator<Item = &'a RateMeasured> {
    rates(summary).filter_map(move |rates| rates.get(index)).filter(|rate| !rate.fell_behind())
}
