//! From rounds to rankings: the rank range of each stack under each load, by each metric. Pure.

use super::estimates::values;
use crate::record::{LoadRanking, RankRange, RoundRecord};
use crate::scenario::model::{Metric, Scenario};
use lab_stats::ranking::{self, rank as rank_stacks};
use lab_stats::verdict::Direction;

/// How often a stack's rank range may be wrong, over all looks of a run.
const ERROR: f64 = 0.05;

/// The rankings by every load and metric, in the scenario's order; empty if there is only one stack, and in a comparison of
/// versions, which asks for nothing but pairs.
#[must_use]
pub fn rankings(scenario: &Scenario, rounds: &[RoundRecord]) -> Vec<LoadRanking> {
    if scenario.stacks.len() < 2 || scenario.comparison.is_some() {
        return Vec::new();
    }
    let ranking = |load: &str, metric| load_ranking(scenario, rounds, load, metric);
    scenario.ranked_loads().flat_map(|load| Metric::ALL.map(|metric| ranking(&load.name, metric))).collect()
}

fn load_ranking(scenario: &Scenario, rounds: &[RoundRecord], load: &str, metric: Metric) -> LoadRanking {
    let error = ERROR / scenario.rounds.looks.len() as f64;
    let values = |name: &str| values(rounds, load, name, metric).into_iter().collect();
    let by_stack: Vec<_> = scenario.stacks.iter().map(|stack| values(&stack.name)).collect();
    let direction = if metric.more_is_better() { Direction::HigherIsBetter } else { Direction::LowerIsBetter };
    let found = rank_stacks(&by_stack, direction, error);
    let name = |stack: usize| scenario.stacks[stack].name.clone();
    let names = |stacks: &[usize]| stacks.iter().map(|stack| name(*stack)).collect();
    let rank = |range: &ranking::RankRange| RankRange {
        stack: name(range.stack),
        best: range.best,
        worst: range.worst,
        better_than: names(&range.better_than),
    };
    LoadRanking {
        load: load.to_owned(),
        metric: metric.name().to_owned(),
        ranks: found.ranges.iter().map(rank).collect(),
        unranked: names(&found.unranked),
        blocks_needed: found.blocks_needed,
    }
}
