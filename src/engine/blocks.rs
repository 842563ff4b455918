//! Which stacks a block visits, and when there have been enough. Pure.
//!
//! Every planned block visits all stacks. An invalid or failed round is never averaged, and what it was to be compared
//! with in its block has lost its partner; so a later block visits its stack again, and the reference beside it. The
//! other stacks have what they need: one stack that falls over now and then does not cost a block of all others.

use std::collections::BTreeSet;

use crate::record::RoundRecord;

/// The stacks that are measured, and which of them the others are compared with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Measured<'a> {
    /// All of them, by name.
    pub(super) stacks: &'a [&'a str],
    /// The reference stack; it may not be among them.
    pub(super) reference: &'a str,
}

impl<'a> Measured<'a> {
    /// The stacks that `block` is to visit under a load, so that each has `wanted` blocks: those that have fewer before
    /// it, and with any of them the reference.
    pub(super) fn lacking(self, rounds: &[RoundRecord], load: &str, block: u32, wanted: u32) -> BTreeSet<&'a str> {
        let valid = |stack: &str| -> BTreeSet<u32> {
            let earlier = rounds.iter().filter(|round| round.load == load && round.stack == stack);
            earlier.filter(|round| round.block < block && round.valid().is_some()).map(|round| round.block).collect()
        };
        let has_reference = self.stacks.contains(&self.reference);
        let of_reference = valid(self.reference);
        let lacks = |stack: &&&str| {
            let own = valid(stack);
            let counted = own.iter().filter(|block| !has_reference || of_reference.contains(block)).count();
            counted < wanted as usize
        };
        let mut lacking: BTreeSet<&str> = self.stacks.iter().filter(lacks).copied().collect();
        if has_reference && !lacking.is_empty() {
            lacking.insert(self.reference);
        }
        lacking
    }

    /// Whether it is time for the look after `wanted` blocks: under every load all stacks have them, or have had their
    /// chance.
    pub(super) fn is_due(self, loads: &[&str], rounds: &[RoundRecord], block: u32, wanted: u32) -> bool {
        let is_complete = |load: &&str| self.lacking(rounds, load, block + 1, wanted).is_empty();
        loads.iter().all(is_complete) || block + 1 >= with_repeats(wanted)
    }
}

/// So many blocks and half as many to repeat those with an invalid round, so that a machine on which every round is
/// invalid is a result and not an endless run.
pub(super) fn with_repeats(blocks: u32) -> u32 {
    blocks + blocks.div_ceil(2)
}
