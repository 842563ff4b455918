//! Which stacks a block visits. Pure.
//!
//! The declared blocks visit every stack. Additional blocks, at most half as many, replace rounds that failed or were
//! invalid at the second attempt too. They visit only the stacks that lack rounds, and their references, because a
//! ratio needs two rounds of one block. A stack that keeps failing therefore does not cause visits to all others.

use std::collections::{BTreeMap, BTreeSet};

use super::hopeless;
use crate::record::RoundRecord;
use crate::scenario::model::Load;

/// The stacks, loads and looks that determine the visits of a block.
pub(super) struct BlockPlan<'a> {
    /// The stacks that are measured.
    pub(super) stacks: Vec<&'a str>,
    /// The stack that each stack's ratios refer to, if both are measured.
    pub(super) references: BTreeMap<&'a str, &'a str>,
    /// The loads that can be driven.
    pub(super) loads: Vec<&'a Load>,
    /// The numbers of blocks after which a look is due, ascending.
    pub(super) looks: &'a [u32],
}

impl BlockPlan<'_> {
    /// Whether this stack is to be visited under this load in this block, for the look after `wanted` blocks.
    pub(super) fn is_planned(&self, rounds: &[RoundRecord], load: &Load, block: u32, stack: &str, wanted: u32) -> bool {
        let lacks = |stack: &str| self.lacks(rounds, load, block, stack, wanted);
        let mut others = self.references.iter().filter(|(_, reference)| **reference == stack);
        let is_for_others =
            hopeless::reason(rounds, &load.name, stack).is_none() && others.any(|(other, _)| lacks(other));
        load.drives(stack) && (is_for_others || lacks(stack))
    }

    /// Whether the look after `wanted` blocks is due: every stack has enough valid rounds under every load, or no more
    /// replacements are allowed after `blocks` blocks.
    pub(super) fn is_due(&self, rounds: &[RoundRecord], blocks: u32, wanted: u32) -> bool {
        let lacks = |load: &Load| self.stacks.iter().any(|stack| self.lacks(rounds, load, blocks, stack, wanted));
        blocks >= with_repeats(wanted) || !self.loads.iter().any(|load| lacks(load))
    }

    /// The look that this block leads to, given the rounds before it, as its number of blocks.
    pub(super) fn wanted(&self, rounds: &[RoundRecord], block: u32) -> u32 {
        let next = self.looks.iter().find(|wanted| !self.is_due(rounds, block, **wanted));
        next.or(self.looks.last()).copied().unwrap_or_default()
    }

    /// Whether this stack and its reference share valid rounds in fewer than `wanted` blocks before `block`. A load may
    /// be limited to some stacks and to fewer blocks. A stack that cannot serve the load lacks nothing.
    fn lacks(&self, rounds: &[RoundRecord], load: &Load, block: u32, stack: &str, wanted: u32) -> bool {
        let is_hopeless = |stack: &str| hopeless::reason(rounds, &load.name, stack).is_some();
        if is_hopeless(stack) {
            return false;
        }
        let reference = self.references.get(stack).copied().filter(|name| load.drives(name) && !is_hopeless(name));
        let valid = |stack: &str| -> BTreeSet<u32> {
            let visits = rounds.iter().filter(|round| round.load == load.name && round.stack == stack);
            let earlier = visits.filter(|round| round.block < block && round.valid().is_some());
            earlier.map(|round| round.block).collect()
        };
        let pairs = valid(stack).intersection(&valid(reference.unwrap_or(stack))).count();
        load.drives(stack) && pairs < load.blocks_of(wanted) as usize
    }
}

/// The declared blocks and half as many to replace failed and invalid rounds. The bound makes a machine on which every
/// round is invalid a result, not an endless run.
pub(super) fn with_repeats(blocks: u32) -> u32 {
    blocks + blocks.div_ceil(2)
}
