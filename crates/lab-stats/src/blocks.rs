//! The order of the rounds: randomised complete blocks.
//!
//! The same numbers and the same seed give the same order on every platform and with every version of the random-number
//! crates, because the shuffle is implemented here and ChaCha8 is a fixed algorithm.
//!
//! Blocking follows Fisher, *The Design of Experiments* (1935), §20-26, and Montgomery, *Design and Analysis of
//! Experiments*, chapter 4: conditions that cannot be held constant, such as the machine's slow moments, affect every
//! treatment of a block alike; the rest is randomised.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// One measured visit to one stack under one load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Visit {
    /// The block, from 0. Visits of one block are compared with each other.
    pub block: u32,
    /// An index into the scenario's loads.
    pub load: usize,
    /// An index into the scenario's stacks.
    pub stack: usize,
}

/// Every visit of a run, in order.
///
/// Each of the `blocks` blocks visits each load with each stack once. The stacks of one load are adjacent, so that rounds
/// compared as a pair are close in time. Each block draws the order of its loads, and each load the order of its stacks.
#[must_use]
pub fn schedule(stacks: usize, loads: usize, blocks: u32, seed: u64) -> Vec<Visit> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut visits = Vec::with_capacity(stacks * loads * blocks as usize);
    for block in 0..blocks {
        for load in shuffled(loads, &mut rng) {
            for stack in shuffled(stacks, &mut rng) {
                visits.push(Visit { block, load, stack });
            }
        }
    }
    visits
}

/// `0..count` in random order (Durstenfeld's version of the Fisher-Yates shuffle, CACM 7:7, 1964).
fn shuffled(count: usize, rng: &mut impl RngCore) -> Vec<usize> {
    let mut items: Vec<usize> = (0..count).collect();
    for last in (1..count).rev() {
        items.swap(last, below(last as u64 + 1, rng) as usize);
    }
    items
}

/// A uniform number in `0..bound`: rejection sampling avoids the bias of a remainder.
fn below(bound: u64, rng: &mut impl RngCore) -> u64 {
    let unbiased = u64::MAX - u64::MAX % bound;
    loop {
        let draw = rng.next_u64();
        if draw < unbiased {
            return draw % bound;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_visit_each_load_and_stack_once() {
        let visits = schedule(3, 2, 5, 2011);
        assert_eq!(visits.len(), 3 * 2 * 5);
        for block in 0..5 {
            for load in 0..2 {
                for stack in 0..3 {
                    assert_eq!(visits.iter().filter(|&&visit| visit == Visit { block, load, stack }).count(), 1);
                }
            }
        }
    }

    #[test]
    fn stacks_of_a_load_are_adjacent() {
        let visits = schedule(3, 2, 4, 7);
        for (index, cell) in visits.chunks(3).enumerate() {
            assert!(cell.iter().all(|visit| visit.load == cell[0].load));
            assert!(cell.iter().all(|visit| visit.block as usize == index / 2));
        }
    }

    #[test]
    fn seed_determines_the_order() {
        assert_eq!(schedule(4, 3, 10, 1), schedule(4, 3, 10, 1));
        assert_ne!(schedule(4, 3, 10, 1), schedule(4, 3, 10, 2));
    }

    #[test]
    fn orders_are_equally_likely() {
        let first = schedule(2, 1, 2000, 42).chunks(2).filter(|pair| pair[0].stack == 0).count();
        assert!((900..=1100).contains(&first), "stack 0 went first in {first} of 2000 blocks");
    }

    #[test]
    fn empty_schedule() {
        assert_eq!(schedule(0, 2, 3, 1), []);
        assert_eq!(schedule(2, 0, 3, 1), []);
    }

    /// Records hold the seed, from which the order must be reproducible: this snapshot must never change.
    #[test]
    fn schedule_is_stable() {
        let drawn: Vec<_> =
            schedule(2, 2, 3, 2011).iter().map(|visit| (visit.block, visit.load, visit.stack)).collect();
        assert_eq!(
            drawn,
            [
                [(0, 1, 1), (0, 1, 0), (0, 0, 0), (0, 0, 1)],
                [(1, 1, 0), (1, 1, 1), (1, 0, 0), (1, 0, 1)],
                [(2, 1, 0), (2, 1, 1), (2, 0, 1), (2, 0, 0)],
            ]
            .concat()
        );
    }
}
