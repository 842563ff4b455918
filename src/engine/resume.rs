//! The rounds of an interrupted run, as the run that continues it takes them. Pure.

use super::blocks::BlockPlan;
use crate::record::{RoundIssue, RoundOutcome, RoundRecord};

/// The kind of objection to a round whose block was cut off.
const CUT: &str = "interrupted";

/// The rounds of an interrupted run. What was left of the block in which it was interrupted is not made up for: rounds
/// are compared in pairs because they are close in time, and these no longer would be. So its rounds stay in the
/// record, invalid, and another block replaces them.
pub(super) fn continued(mut earlier: Vec<RoundRecord>, blocks: &BlockPlan<'_>) -> Vec<RoundRecord> {
    let is_cut: Vec<bool> = earlier.iter().map(|round| is_incomplete(&earlier, blocks, round)).collect();
    for (round, _) in earlier.iter_mut().zip(is_cut).filter(|(_, is_cut)| *is_cut) {
        if let RoundOutcome::Measured(measured) = &mut round.outcome {
            let message = "the run was interrupted before the other stacks of this block; another block replaces it";
            measured.issues.push(RoundIssue { kind: CUT.to_owned(), invalidates: true, message: message.to_owned() });
        }
    }
    earlier
}

/// Whether a stack is missing from the block and load of this round.
fn is_incomplete(earlier: &[RoundRecord], blocks: &BlockPlan<'_>, round: &RoundRecord) -> bool {
    let RoundRecord { block, load, .. } = round;
    let has = |stack: &str| earlier.iter().any(|r| r.block == *block && r.load == *load && r.stack == stack);
    // A load that cannot be driven any more is not made up for.
    let Some(driven) = blocks.loads.iter().find(|own| own.name == *load) else { return false };
    let wanted = blocks.wanted(earlier, *block);
    let mut planned = blocks.stacks.iter().filter(|stack| blocks.is_planned(earlier, driven, *block, stack, wanted));
    !is_cut(earlier, load, *block) && !planned.all(|stack| has(stack))
}

/// Whether the rounds of this load in this block were cut off.
pub(super) fn is_cut(rounds: &[RoundRecord], load: &str, block: u32) -> bool {
    rounds.iter().filter(|round| round.load == load && round.block == block).any(|round| match &round.outcome {
        RoundOutcome::Measured(measured) => measured.issues.iter().any(|issue| issue.kind == CUT),
        RoundOutcome::Failed { .. } | RoundOutcome::Unavailable { .. } => false,
    })
}
