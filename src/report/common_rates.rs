//! The rates of a ramp at which stacks can be compared: those that all of them could answer.

use super::loads::spread;
use super::standing::Standing;
use super::times::Seen;
use crate::record::{Distribution, RateMeasured};
use lab_stats::sample::median;

/// A rate is answered where so much of what was asked for got a good answer, in the median round.
const ANSWERED: f64 = 0.99;
/// More columns of rates make a table too wide to read.
const MOST: usize = 3;

/// A rate of a ramp.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct CommonRate {
    /// Which of the ramp's rates.
    index: usize,
    /// What was asked for in a second: the median over all rounds, for arrivals by chance are never exactly the rate.
    pub(super) asked_per_s: f64,
    /// Whether every stack with a valid round answered it; else it is the one that most did.
    pub(super) is_of_all: bool,
}

/// Up to three rates that every stack answered: the lowest, the highest, and one between. Where there is none, the lowest
/// of those that most stacks answered; nothing without a ramp.
pub(super) fn common(standings: &[Standing<'_>]) -> Vec<CommonRate> {
    let stacks: Vec<&Standing<'_>> = standings.iter().filter(|one| !one.rounds.is_empty()).collect();
    let most = stacks.iter().map(|one| rates(one).map(<[_]>::len).max().unwrap_or(0)).max().unwrap_or(0);
    let answering: Vec<usize> =
        (0..most).map(|index| stacks.iter().filter(|one| times(one, index).is_some()).count()).collect();
    let common: Vec<usize> = (0..most).filter(|index| answering[*index] == stacks.len()).collect();
    let is_of_all = !common.is_empty();
    let chosen = match answering.iter().max() {
        Some(best) if !is_of_all && *best > 0 => answering.iter().position(|count| count == best).into_iter().collect(),
        _ => spread(common.len(), MOST).into_iter().map(|at| common[at]).collect::<Vec<_>>(),
    };
    let asked = |index: usize| {
        let all: Vec<f64> = stacks.iter().flat_map(|one| at(one, index)).map(RateMeasured::asked_per_s).collect();
        median(&all)
    };
    chosen.into_iter().filter_map(|index| Some(CommonRate { index, asked_per_s: asked(index)?, is_of_all })).collect()
}

impl CommonRate {
    /// A stack's median and 99th percentile of the response time at this rate. `None` where it did not answer the rate.
    pub(super) fn times(&self, standing: &Standing<'_>) -> Option<[Seen; 2]> {
        times(standing, self.index)
    }
}

fn times(standing: &Standing<'_>, index: usize) -> Option<[Seen; 2]> {
    let shares: Vec<f64> = at(standing, index).map(|rate| rate.ok as f64 / rate.scheduled.max(1) as f64).collect();
    median(&shares).filter(|share| *share >= ANSWERED)?;
    let rounds: Vec<&RateMeasured> = at(standing, index).collect();
    let seen = |percentile: fn(&Distribution) -> u64| Seen::of(rounds.iter().copied(), percentile);
    Some([seen(|times| times.p50_us)?, seen(|times| times.p99_us)?])
}

fn rates<'a>(standing: &Standing<'a>) -> impl Iterator<Item = &'a [RateMeasured]> {
    standing.rounds.clone().into_iter().filter_map(|round| Some(round.open.as_deref()?.rates.as_slice()))
}

/// One rate in all valid rounds in which the driver kept up with it.
fn at<'a>(standing: &Standing<'a>, index: usize) -> impl Iterator<Item = &'a RateMeasured> {
    rates(standing).filter_map(move |rates| rates.get(index)).filter(|rate| !rate.fell_behind())
}
