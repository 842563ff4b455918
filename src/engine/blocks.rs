//! Which stacks a block visits. Pure.
//!
//! The declared blocks visit every stack. BlockPlan after these, half as many at most, make up for rounds that failed or
//! were invalid at the second try as well: they visit the stacks that lack rounds, and the reference, because a ratio is
//! of two rounds of one block. So one stack that fails again and again does not cost a visit to all the others.

use std::collections::BTreeSet;

use crate::record::RoundRecord;
use crate::scenario::model::Load;

/// A run's stacks and loads, as far as its blocks go.
pub(super) struct BlockPlan<'a> {
    /// The stacks that are measured.
    pub(super) stacks: Vec<&'a str>,
    /// The stack that ratios are against, if it is one of them.
    pub(super) reference: Option<&'a str>,
    /// The loads that can be driven.
    pub(super) loads: Vec<&'a Load>,
    /// After how many blocks the run is looked at, ascending.
    pub(super) looks: &'a [u32],
}

impl BlockPlan<'_> {
    /// Whether this stack is to be visited under this load in this block, for the look after `wanted` blocks.
    pub(super) fn is_planned(&self, rounds: &[RoundRecord], load: &Load, block: u32, stack: &str, wanted: u32) -> bool {
        let lacks = |stack: &str| self.lacks(rounds, load, block, stack, wanted);
        let is_for_others = Some(stack) == self.reference && self.stacks.iter().any(|stack| lacks(stack));
        load.drives(stack) && (is_for_others || lacks(stack))
    }

    /// Whether it is time for the look after `wanted` blocks: every stack has them under every load, or `blocks` were
    /// all the chance it gets.
    pub(super) fn is_due(&self, rounds: &[RoundRecord], blocks: u32, wanted: u32) -> bool {
        let lacks = |load: &Load| self.stacks.iter().any(|stack| self.lacks(rounds, load, blocks, stack, wanted));
        blocks >= with_repeats(wanted) || !self.loads.iter().any(|load| lacks(load))
    }

    /// The look that this block is made for, by the rounds before it: the number of blocks it is after.
    pub(super) fn wanted(&self, rounds: &[RoundRecord], block: u32) -> u32 {
        let next = self.looks.iter().find(|wanted| !self.is_due(rounds, block, **wanted));
        next.or(self.looks.last()).copied().unwrap_or_default()
    }

    /// Whether there are fewer than `wanted` blocks before `block` in which this stack and the reference have a valid
    /// round; a load may be of some stacks only, and of fewer blocks.
    fn lacks(&self, rounds: &[RoundRecord], load: &Load, block: u32, stack: &str, wanted: u32) -> bool {
        let reference = self.reference.filter(|name| load.drives(name));
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
