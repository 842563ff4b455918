//! Places instead of ranks: each stack's place as a range, from the best it can have to the worst.
//!
//! Pure. Every two stacks are compared by the exact signed-rank interval of the logarithms of their ratio, over the
//! blocks both have. A stack told to be worse than a others and better than b of n has a place from 1 + a to n − b.
//! Stacks that cannot be told apart have places in common; one that can be told from all others has a single one. One
//! pair more or less that is told apart moves two ranges by one end, and no other: a second run says nearly the same.
//! (Tiers, where everybody before is told from everybody after, do not: one pair joins or parts two whole tiers.)
//!
//! How sure a range is: n − 1 comparisons make it, each wrong in its direction at most as often as `error` divided by
//! n − 1: some one of them at most as often as `error`, and only then can the range leave out the stack's true place (that
//! takes more, except at both ends of the table). Of two stacks one is better, if only by a hair, and only the other
//! direction is an error: Jones and Tukey, *A sensible formulation of the significance test*,
//! Psychological Methods 5:411, 2000. (Two stacks are compared as three are, so that their interval of 95 %, with half
//! the error at each end, says the same.) This holds for each stack by itself, not for all of a table at once.

use std::collections::BTreeMap;

use crate::signed_rank;
use crate::stats;
use crate::verdict::Better;

/// Places of stacks by one metric.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// Every stack with a value, the best median first.
    pub placed: Vec<Place>,
    /// Stacks without a single value: they have no place.
    pub unplaced: Vec<usize>,
    /// Blocks it takes before as many stacks can be told apart at all, where some two have fewer in common.
    pub blocks_needed: Option<usize>,
}

/// Where one stack stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The stack's number.
    pub stack: usize,
    /// One more than the stacks that are told to be better.
    pub best: usize,
    /// The placed stacks without those that are told to be worse.
    pub worst: usize,
    /// Those that are told to be worse, the best median first.
    pub better_than: Vec<usize>,
}

/// Finds the places. Each stack is its values by block; `error` is how often a range may be wrong: 0.05.
#[must_use]
pub fn places(stacks: &[BTreeMap<u32, f64>], better: Better, error: f64) -> Places {
    let median = |stack: usize| {
        let values: Vec<f64> = stacks[stack].values().copied().collect();
        stats::median(&values).map(|median| better.worse(median))
    };
    let (mut order, mut unplaced) = (Vec::new(), Vec::new());
    for stack in 0..stacks.len() {
        match median(stack) {
            Some(median) => order.push((median, stack)),
            None => unplaced.push(stack),
        }
    }
    order.sort_by(|one, other| one.0.total_cmp(&other.0));

    let level = error / order.len().saturating_sub(1).max(2) as f64;
    let mut fewest_blocks = usize::MAX;
    let all = order.len();
    let mut placed: Vec<Place> =
        order.into_iter().map(|(_, stack)| Place { stack, best: 1, worst: all, better_than: Vec::new() }).collect();
    for one in 0..placed.len() {
        for other in one + 1..placed.len() {
            let logs = log_ratios(&stacks[placed[one].stack], &stacks[placed[other].stack], better);
            fewest_blocks = fewest_blocks.min(logs.len());
            let (above, below) = match told_apart(&logs, level) {
                Some(Told::OtherIsWorse) => (one, other),
                Some(Told::OtherIsBetter) => (other, one),
                None => continue,
            };
            let worse = placed[below].stack;
            placed[above].better_than.push(worse);
            placed[above].worst -= 1;
            placed[below].best += 1;
        }
    }
    let needed = signed_rank::fewest(level);
    Places { placed, unplaced, blocks_needed: (fewest_blocks < needed).then_some(needed) }
}

/// How much worse the other is than the one, in every block that both have.
fn log_ratios(one: &BTreeMap<u32, f64>, other: &BTreeMap<u32, f64>, better: Better) -> Vec<f64> {
    let common = one.iter().filter_map(|(block, value)| Some((*value, *other.get(block)?)));
    common.map(|(one, other)| better.worse((other / one).ln())).collect()
}

enum Told {
    OtherIsWorse,
    OtherIsBetter,
}

/// Whether the whole interval, with each end wrong at most as often as `level`, is on one side.
fn told_apart(logs: &[f64], level: f64) -> Option<Told> {
    let interval = signed_rank::bounds(&signed_rank::walsh_averages(logs), logs.len(), level)?;
    match interval {
        interval if interval.lower > 0.0 => Some(Told::OtherIsWorse),
        interval if interval.upper < 0.0 => Some(Told::OtherIsBetter),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::{RngCore, SeedableRng};

    use super::*;

    /// A stack of `blocks` values that go up and down from `middle` by `spread`.
    fn stack(middle: f64, spread: f64, blocks: u32) -> BTreeMap<u32, f64> {
        let sign = |block: u32| if block.is_multiple_of(2) { 1.0 } else { -1.0 };
        (0..blocks).map(|block| (block, middle * (1.0 + spread * sign(block) * f64::from(block + 1)))).collect()
    }

    /// Each stack's number, and from where to where its place is.
    fn ranges(found: &Places) -> Vec<(usize, [usize; 2])> {
        found.placed.iter().map(|place| (place.stack, [place.best, place.worst])).collect()
    }

    #[test]
    fn what_cannot_be_told_apart_has_places_in_common() {
        let stacks = [stack(200.0, 0.001, 10), stack(100.0, 0.001, 10), stack(100.1, 0.0, 10), stack(400.0, 0.0, 10)];
        let less = places(&stacks, Better::Less, 0.05);
        assert_eq!(ranges(&less), [(1, [1, 2]), (2, [1, 2]), (0, [3, 3]), (3, [4, 4])]);
        assert_eq!(less.placed[0].better_than, [0, 3]);
        let more = places(&stacks, Better::More, 0.05);
        assert_eq!(ranges(&more), [(3, [1, 1]), (0, [2, 2]), (2, [3, 4]), (1, [3, 4])]);
        assert_eq!((more.unplaced, more.blocks_needed), (vec![], None));
    }

    #[test]
    fn too_few_blocks_tell_nothing_apart_and_say_how_many_would() {
        let many = |blocks| (0..22).map(|n| stack(f64::from(1 << n), 0.0, blocks)).collect::<Vec<_>>();
        let found = places(&many(8), Better::Less, 0.05);
        assert!(ranges(&found).iter().all(|(_, range)| *range == [1, 22]));
        assert_eq!(found.blocks_needed, Some(9));
        let found = places(&many(9), Better::Less, 0.05);
        assert_eq!(ranges(&found), (0..22).map(|n| (n, [n + 1, n + 1])).collect::<Vec<_>>());
        assert_eq!(found.blocks_needed, None);
        assert_eq!(places(&many(6)[..3], Better::Less, 0.05).blocks_needed, None, "three need no more than six");
    }

    #[test]
    fn of_a_chain_the_ends_are_told_apart() {
        // Each cannot be told from the next, the first can be told from the last.
        let scattered = |middle: f64, shift: u32| -> BTreeMap<u32, f64> {
            (0..10).map(|block| (block, middle * (1.0 + 0.05 * f64::from((block + shift) * 7 % 10)))).collect()
        };
        let found = places(&[scattered(1.0, 0), scattered(1.15, 3), scattered(1.3, 6)], Better::Less, 0.05);
        assert_eq!(ranges(&found), [(0, [1, 2]), (1, [1, 3]), (2, [2, 3])]);
    }

    #[test]
    fn a_median_may_be_better_and_the_blocks_in_common_worse() {
        // The first has its best blocks where the second has none.
        let mut first = stack(2.0, 0.0, 20);
        (9..20).for_each(|block| *first.get_mut(&block).unwrap() = 0.5);
        let found = places(&[first, stack(1.0, 0.0, 9)], Better::Less, 0.05);
        assert_eq!(ranges(&found), [(0, [2, 2]), (1, [1, 1])]);
    }

    #[test]
    fn a_stack_without_values_has_no_place() {
        let found = places(&[stack(2.0, 0.0, 10), BTreeMap::new(), stack(1.0, 0.0, 10)], Better::Less, 0.05);
        assert_eq!((ranges(&found), found.unplaced), (vec![(2, [1, 1]), (0, [2, 2])], vec![1]));
        assert_eq!(ranges(&places(&[], Better::Less, 0.05)), []);
        let alone = places(&[stack(1.0, 0.0, 1)], Better::Less, 0.05);
        assert_eq!((ranges(&alone), alone.blocks_needed), (vec![(0, [1, 1])], None));
    }

    /// Twenty stacks that differ by a hair: the worst there is for the direction. In at most 5 % of the runs a stack is
    /// told from any other in the wrong one, and a range that leaves out the true place is rarer.
    #[test]
    fn a_stack_is_rarely_told_from_another_in_the_wrong_direction() {
        const TRIALS: u32 = 400;
        const STACKS: usize = 20;
        let mut rng = ChaCha8Rng::seed_from_u64(1979);
        let mut noise = || (0..12).map(|_| f64::from(rng.next_u32()) / f64::from(u32::MAX)).sum::<f64>() - 6.0;
        let (mut wrong, mut left_out) = (0, 0);
        for _ in 0..TRIALS {
            let value = |stack: usize, noise: f64| (1e-6 * stack as f64 + 0.05 * noise).exp();
            let stacks: Vec<BTreeMap<u32, f64>> =
                (0..STACKS).map(|stack| (0..9).map(|block| (block, value(stack, noise()))).collect()).collect();
            let found = places(&stacks, Better::Less, 0.05);
            let is_wrong = |n: usize| {
                found.placed.iter().any(|one| match one.stack == n {
                    true => one.better_than.iter().any(|other| *other < n),
                    false => one.stack > n && one.better_than.contains(&n),
                })
            };
            wrong += (0..STACKS).filter(|n| is_wrong(*n)).count();
            left_out += ranges(&found).iter().filter(|(n, [best, worst])| !(best..=worst).contains(&&(n + 1))).count();
        }
        let [wrong, left_out] = [wrong, left_out].map(|count| count as f64 / f64::from(TRIALS) / STACKS as f64);
        assert!((0.01..=0.05).contains(&wrong), "{wrong}");
        assert!((0.001..=wrong).contains(&left_out), "{left_out}");
    }
}
