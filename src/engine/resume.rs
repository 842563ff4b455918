//! The rounds of an interrupted run, as the run that continues it takes them. Pure.

use std::collections::BTreeSet;

use crate::record::{Objection, RoundOutcome, RoundRecord};

/// The kind of objection to a round whose block was cut off.
const CUT: &str = "interrupted";

/// Marks the rounds of an interrupted run under this load in this block, if the run was interrupted before all stacks that
/// were `wanted` in it. What was left of the block is not made up for: rounds are compared in pairs because they are
/// close in time, and these no longer would be. So its rounds stay in the record, invalid, and another block replaces
/// them.
pub(super) fn mark_if_cut(rounds: &mut [RoundRecord], load: &str, block: u32, wanted: &BTreeSet<&str>) {
    let mut made: Vec<&mut RoundRecord> =
        rounds.iter_mut().filter(|round| round.load == load && round.block == block).collect();
    if wanted.iter().all(|stack| made.iter().any(|round| round.stack == *stack)) {
        return;
    }
    for round in &mut made {
        if let RoundOutcome::Measured(measured) = &mut round.outcome {
            let said = "the run was interrupted before the other stacks of this block; another block replaces it";
            measured.objections.push(Objection { kind: CUT.to_owned(), invalidates: true, said: said.to_owned() });
        }
    }
}

/// Whether the rounds of this load in this block were cut off.
pub(super) fn is_cut(rounds: &[RoundRecord], load: &str, block: u32) -> bool {
    rounds.iter().filter(|round| round.load == load && round.block == block).any(|round| match &round.outcome {
        RoundOutcome::Measured(measured) => measured.objections.iter().any(|objection| objection.kind == CUT),
        RoundOutcome::Failed { .. } | RoundOutcome::Unavailable { .. } => false,
    })
}
