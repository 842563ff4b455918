//! From rounds to tiers: under each load and by each metric, which stacks share which place. Pure.

use crate::measure::tiers;
use crate::measure::verdict::Better;
use crate::record::{Placed, RoundRecord};
use crate::scenario::model::{Metric, Scenario};

use super::estimates::values;

/// How often any two stacks that are the same may be told apart, over all looks of a run.
const ERROR: f64 = 0.05;

/// The tiers of every load and metric, in the scenario's order. Without a second stack there is nothing to place.
#[must_use]
pub fn placed(scenario: &Scenario, rounds: &[RoundRecord]) -> Vec<Placed> {
    let mut all = Vec::new();
    if scenario.stacks.len() < 2 {
        return all;
    }
    let error = ERROR / scenario.rounds.looks.len() as f64;
    let names = |stacks: &[usize]| stacks.iter().map(|stack| scenario.stacks[*stack].name.clone()).collect();
    for load in scenario.ranked_loads() {
        for metric in Metric::ALL {
            let of_stack = |name: &str| values(rounds, &load.name, name, metric).into_iter().collect();
            let by_stack: Vec<_> = scenario.stacks.iter().map(|stack| of_stack(&stack.name)).collect();
            let better = if metric.more_is_better() { Better::More } else { Better::Less };
            let found = tiers::tiers(&by_stack, better, error);
            all.push(Placed {
                load: load.name.clone(),
                metric: metric.name().to_owned(),
                tiers: found.tiers.iter().map(|tier| names(tier)).collect(),
                unplaced: names(&found.unplaced),
                blocks_needed: found.blocks_needed,
            });
        }
    }
    all
}
