//! The second sample of a run: what failed the gate is measured once more, with fresh rounds, which decide.

use crate::record::{Cell, RoundRecord};
use crate::scenario::model::Scenario;
use crate::snapshot::confirmation::SecondSample;

/// How a run confirms what failed.
pub struct ConfirmationPlan<'a> {
    /// What fails, given all rounds and the number of looks made.
    pub failed_cells: &'a dyn Fn(&[RoundRecord], usize) -> Vec<Cell>,
    /// Whether the second sample decides its cells. Called at every look at it but the last.
    pub is_decided: &'a dyn Fn(SecondSample<'_>) -> bool,
    /// The rounds of the second sample that an interrupted run has finished.
    pub earlier: Vec<RoundRecord>,
}

/// The second sample.
#[derive(Debug, Clone)]
pub struct ConfirmationRounds {
    pub cells: Vec<Cell>,
    pub rounds: Vec<RoundRecord>,
    pub looks_made: usize,
}

/// The part of a scenario that measures these cells: their stacks, and the stacks that their ratios refer to, under their
/// loads. The order of its visits is another one.
pub(super) fn narrowed(scenario: &Scenario, cells: &[Cell]) -> Scenario {
    let mut narrowed = scenario.clone();
    narrowed.loads.retain(|load| cells.iter().any(|cell| cell.load == load.name));
    for load in &mut narrowed.loads {
        let failed = scenario
            .stacks
            .iter()
            .filter(|stack| cells.iter().any(|cell| cell.load == load.name && cell.stack == stack.name));
        let with_references = failed.flat_map(|stack| [Some(stack), scenario.reference_of(stack)]).flatten();
        let mut stacks: Vec<String> = with_references.map(|stack| stack.name.clone()).collect();
        stacks.sort();
        stacks.dedup();
        load.stacks = Some(stacks);
    }
    narrowed.rounds.seed = scenario.rounds.seed.wrapping_add(1);
    narrowed
}
