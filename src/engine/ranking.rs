//! From rounds to places: under each load and by each metric, where each stack stands. Pure.

use crate::record::{Place, Placed, RoundRecord};
use crate::scenario::model::{Metric, Scenario};
use lab_stats::places;
use lab_stats::verdict::Better;

use super::estimates::values;

/// How often a stack's range of places may be wrong, over all looks of a run.
const ERROR: f64 = 0.05;

/// The places by every load and metric, in the scenario's order. Without a second stack there is nothing to place.
#[must_use]
pub fn rankings(scenario: &Scenario, rounds: &[RoundRecord]) -> Vec<Placed> {
    let mut all = Vec::new();
    if scenario.stacks.len() < 2 {
        return all;
    }
    let error = ERROR / scenario.rounds.looks.len() as f64;
    let name = |stack: usize| scenario.stacks[stack].name.clone();
    let names = |stacks: &[usize]| stacks.iter().map(|stack| name(*stack)).collect();
    for load in scenario.ranked_loads() {
        for metric in Metric::ALL {
            let of_stack = |name: &str| values(rounds, &load.name, name, metric).into_iter().collect();
            let by_stack: Vec<_> = scenario.stacks.iter().map(|stack| of_stack(&stack.name)).collect();
            let better = if metric.more_is_better() { Better::More } else { Better::Less };
            let found = places::places(&by_stack, better, error);
            let place = |place: &places::Place| Place {
                stack: name(place.stack),
                best: place.best,
                worst: place.worst,
                better_than: names(&place.better_than),
            };
            all.push(Placed {
                load: load.name.clone(),
                metric: metric.name().to_owned(),
                places: found.placed.iter().map(place).collect(),
                unplaced: names(&found.unplaced),
                blocks_needed: found.blocks_needed,
            });
        }
    }
    all
}
