//! Ranks as ranges: for each stack the best and the worst rank that the rounds leave possible.
//!
//! Every two stacks are compared by the exact signed-rank interval of the logarithms of their ratio, over the blocks that
//! both have. A stack that is significantly worse than a others and better than b of n has a rank from 1 + a to n − b.
//! The ranges of stacks that cannot be separated overlap; a stack separated from all others has a single rank. If one more
//! pair is separated, only two ranges change, each at one end, so a repeated run gives nearly the same ranking. (Tiers are
//! not stable in this way: one pair merges or splits two whole tiers.)
//!
//! Each of the n − 1 comparisons of a stack has a directional error of at most `error`/(n − 1), so by the union bound the
//! range misses the true rank with probability at most `error`. This holds for each stack separately, not for the whole
//! table at once. Only the direction can be wrong, because one of two stacks is always better, if only by a hair: Jones
//! and Tukey, *A sensible formulation of the significance test*, Psychological Methods 5:411, 2000. Two stacks are compared
//! like three, so that the result agrees with their 95 % interval, which has half the error at each end.

use std::collections::BTreeMap;

use crate::sample;
use crate::signed_rank;
use crate::verdict::Direction;

/// The ranking of stacks by one metric.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ranking {
    /// Every stack with a value, the best median first.
    pub ranges: Vec<RankRange>,
    /// Stacks without a value.
    pub unranked: Vec<usize>,
    /// The common blocks that are needed to separate any two of this many stacks, if some two have fewer.
    pub blocks_needed: Option<usize>,
}

/// The possible ranks of one stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RankRange {
    /// The index of the stack.
    pub stack: usize,
    /// One more than the number of stacks that are significantly better.
    pub best: usize,
    /// The number of ranked stacks that are not significantly worse.
    pub worst: usize,
    /// The stacks that are significantly worse, the best median first.
    pub better_than: Vec<usize>,
}

/// Ranks the stacks, each given by its values by block. `error` is the error rate of each range, such as 0.05.
#[must_use]
pub fn rank(stacks: &[BTreeMap<u32, f64>], direction: Direction, error: f64) -> Ranking {
    let median = |stack: usize| {
        let values: Vec<f64> = stacks[stack].values().copied().collect();
        sample::median(&values).map(|median| direction.worsening(median))
    };
    let (mut order, mut unranked) = (Vec::new(), Vec::new());
    for stack in 0..stacks.len() {
        match median(stack) {
            Some(median) => order.push((median, stack)),
            None => unranked.push(stack),
        }
    }
    order.sort_by(|one, other| one.0.total_cmp(&other.0));

    let level = error / order.len().saturating_sub(1).max(2) as f64;
    let mut fewest_blocks = usize::MAX;
    let all = order.len();
    let mut ranges: Vec<RankRange> =
        order.into_iter().map(|(_, stack)| RankRange { stack, best: 1, worst: all, better_than: Vec::new() }).collect();
    for one in 0..ranges.len() {
        for other in one + 1..ranges.len() {
            let logs = log_ratios(&stacks[ranges[one].stack], &stacks[ranges[other].stack], direction);
            fewest_blocks = fewest_blocks.min(logs.len());
            let (above, below) = match separation(&logs, level) {
                Some(Separation::OtherIsWorse) => (one, other),
                Some(Separation::OtherIsBetter) => (other, one),
                None => continue,
            };
            let worse = ranges[below].stack;
            ranges[above].better_than.push(worse);
            ranges[above].worst -= 1;
            ranges[below].best += 1;
        }
    }
    let needed = signed_rank::min_sample_size(level);
    Ranking { ranges, unranked, blocks_needed: (fewest_blocks < needed).then_some(needed) }
}

/// The worsening from one to the other as log ratios, in every block that both have.
fn log_ratios(one: &BTreeMap<u32, f64>, other: &BTreeMap<u32, f64>, direction: Direction) -> Vec<f64> {
    let common = one.iter().filter_map(|(block, value)| Some((*value, *other.get(block)?)));
    common.map(|(one, other)| direction.worsening((other / one).ln())).collect()
}

enum Separation {
    OtherIsWorse,
    OtherIsBetter,
}

/// The direction of the difference, if the whole interval with an error of `level` at each end is on one side of zero.
fn separation(logs: &[f64], level: f64) -> Option<Separation> {
    let interval = signed_rank::interval_from_averages(&signed_rank::walsh_averages(logs), logs.len(), level)?;
    match interval {
        interval if interval.lower > 0.0 => Some(Separation::OtherIsWorse),
        interval if interval.upper < 0.0 => Some(Separation::OtherIsBetter),
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

    /// The index of each stack with its best and worst rank.
    fn rank_ranges(found: &Ranking) -> Vec<(usize, [usize; 2])> {
        found.ranges.iter().map(|range| (range.stack, [range.best, range.worst])).collect()
    }

    #[test]
    fn inseparable_stacks_share_ranks() {
        let stacks = [stack(200.0, 0.001, 10), stack(100.0, 0.001, 10), stack(100.1, 0.0, 10), stack(400.0, 0.0, 10)];
        let less = rank(&stacks, Direction::LowerIsBetter, 0.05);
        assert_eq!(rank_ranges(&less), [(1, [1, 2]), (2, [1, 2]), (0, [3, 3]), (3, [4, 4])]);
        assert_eq!(less.ranges[0].better_than, [0, 3]);
        let more = rank(&stacks, Direction::HigherIsBetter, 0.05);
        assert_eq!(rank_ranges(&more), [(3, [1, 1]), (0, [2, 2]), (2, [3, 4]), (1, [3, 4])]);
        assert_eq!((more.unranked, more.blocks_needed), (vec![], None));
    }

    #[test]
    fn too_few_blocks_name_the_number_needed() {
        let many = |blocks| (0..22).map(|n| stack(f64::from(1 << n), 0.0, blocks)).collect::<Vec<_>>();
        let found = rank(&many(8), Direction::LowerIsBetter, 0.05);
        assert!(rank_ranges(&found).iter().all(|(_, range)| *range == [1, 22]));
        assert_eq!(found.blocks_needed, Some(9));
        let found = rank(&many(9), Direction::LowerIsBetter, 0.05);
        assert_eq!(rank_ranges(&found), (0..22).map(|n| (n, [n + 1, n + 1])).collect::<Vec<_>>());
        assert_eq!(found.blocks_needed, None);
        assert_eq!(
            rank(&many(6)[..3], Direction::LowerIsBetter, 0.05).blocks_needed,
            None,
            "three need no more than six"
        );
    }

    #[test]
    fn ends_of_a_chain_are_separated() {
        // Neighbours cannot be separated, but the first and the last can.
        let scattered = |middle: f64, shift: u32| -> BTreeMap<u32, f64> {
            (0..10).map(|block| (block, middle * (1.0 + 0.05 * f64::from((block + shift) * 7 % 10)))).collect()
        };
        let found = rank(&[scattered(1.0, 0), scattered(1.15, 3), scattered(1.3, 6)], Direction::LowerIsBetter, 0.05);
        assert_eq!(rank_ranges(&found), [(0, [1, 2]), (1, [1, 3]), (2, [2, 3])]);
    }

    #[test]
    fn common_blocks_decide_against_medians() {
        // The first has its best blocks where the second has none.
        let mut first = stack(2.0, 0.0, 20);
        (9..20).for_each(|block| *first.get_mut(&block).unwrap() = 0.5);
        let found = rank(&[first, stack(1.0, 0.0, 9)], Direction::LowerIsBetter, 0.05);
        assert_eq!(rank_ranges(&found), [(0, [2, 2]), (1, [1, 1])]);
    }

    #[test]
    fn stack_without_values_is_unranked() {
        let found = rank(&[stack(2.0, 0.0, 10), BTreeMap::new(), stack(1.0, 0.0, 10)], Direction::LowerIsBetter, 0.05);
        assert_eq!((rank_ranges(&found), found.unranked), (vec![(2, [1, 1]), (0, [2, 2])], vec![1]));
        assert_eq!(rank_ranges(&rank(&[], Direction::LowerIsBetter, 0.05)), []);
        let alone = rank(&[stack(1.0, 0.0, 1)], Direction::LowerIsBetter, 0.05);
        assert_eq!((rank_ranges(&alone), alone.blocks_needed), (vec![(0, [1, 1])], None));
    }

    /// Twenty stacks that differ by a hair, the worst case for directional errors. In at most 5 % of the runs a stack is
    /// separated from any other in the wrong direction, and a range misses the true rank even more rarely.
    #[test]
    fn wrong_directions_are_rare() {
        const TRIALS: u32 = 400;
        const STACKS: usize = 20;
        let mut rng = ChaCha8Rng::seed_from_u64(1979);
        let mut noise = || (0..12).map(|_| f64::from(rng.next_u32()) / f64::from(u32::MAX)).sum::<f64>() - 6.0;
        let (mut wrong, mut missed) = (0, 0);
        for _ in 0..TRIALS {
            let value = |stack: usize, noise: f64| (1e-6 * stack as f64 + 0.05 * noise).exp();
            let stacks: Vec<BTreeMap<u32, f64>> =
                (0..STACKS).map(|stack| (0..9).map(|block| (block, value(stack, noise()))).collect()).collect();
            let found = rank(&stacks, Direction::LowerIsBetter, 0.05);
            let is_wrong = |n: usize| {
                found.ranges.iter().any(|one| match one.stack == n {
                    true => one.better_than.iter().any(|other| *other < n),
                    false => one.stack > n && one.better_than.contains(&n),
                })
            };
            wrong += (0..STACKS).filter(|n| is_wrong(*n)).count();
            missed +=
                rank_ranges(&found).iter().filter(|(n, [best, worst])| !(best..=worst).contains(&&(n + 1))).count();
        }
        let [wrong, missed] = [wrong, missed].map(|count| count as f64 / f64::from(TRIALS) / STACKS as f64);
        assert!((0.01..=0.05).contains(&wrong), "{wrong}");
        assert!((0.001..=wrong).contains(&missed), "{missed}");
    }
}
