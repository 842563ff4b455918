//! Prepares the rounds of an interrupted run for its continuation. Pure.

use super::blocks::BlockPlan;
use crate::record::{RoundIssue, RoundOutcome, RoundRecord};

/// The kind of issue of a round whose block was interrupted.
const INTERRUPTED: &str = "interrupted";

/// Invalidates the rounds of the block in which the run was interrupted; another block replaces them. Rounds are compared
/// in pairs because they are close in time, so the rest of that block cannot be made up for later.
pub(super) fn continued(mut earlier: Vec<RoundRecord>, blocks: &BlockPlan<'_>) -> Vec<RoundRecord> {
    let is_cut: Vec<bool> = earlier.iter().map(|round| is_incomplete(&earlier, blocks, round)).collect();
    for (round, _) in earlier.iter_mut().zip(is_cut).filter(|(_, is_cut)| *is_cut) {
        if let RoundOutcome::Measured(measured) = &mut round.outcome {
            let message = "the run was interrupted before the other stacks of this block; another block replaces it";
            measured.issues.push(RoundIssue {
                kind: INTERRUPTED.to_owned(),
                invalidates: true,
                message: message.to_owned(),
            });
        }
    }
    earlier
}

/// Whether a stack is missing from the block and load of this round.
fn is_incomplete(earlier: &[RoundRecord], blocks: &BlockPlan<'_>, round: &RoundRecord) -> bool {
    let RoundRecord { block, load, .. } = round;
    let has = |stack: &str| earlier.iter().any(|r| r.block == *block && r.load == *load && r.stack == stack);
    // Rounds of a load that can no longer be driven cannot be replaced.
    let Some(driven) = blocks.loads.iter().find(|own| own.name == *load) else { return false };
    let wanted = blocks.wanted(earlier, *block);
    let mut planned = blocks.stacks.iter().filter(|stack| blocks.is_planned(earlier, driven, *block, stack, wanted));
    !is_cut(earlier, load, *block) && !planned.all(|stack| has(stack))
}

/// Whether the run was interrupted within this load of this block.
pub(super) fn is_cut(rounds: &[RoundRecord], load: &str, block: u32) -> bool {
    rounds.iter().filter(|round| round.load == load && round.block == block).any(|round| match &round.outcome {
        RoundOutcome::Measured(measured) => measured.issues.iter().any(|issue| issue.kind == INTERRUPTED),
        RoundOutcome::Failed { .. } | RoundOutcome::Unavailable { .. } => false,
    })
}
