//! Tiers instead of ranks: stacks that cannot be told apart share a place.
//!
//! Pure. Every two stacks are compared by the exact signed-rank interval of the logarithms of their ratio, over the
//! blocks both have. Stacks are put in the order of their medians, and a tier ends where everything before can be told
//! from everything after. So no two stacks of different tiers can be confused; two of one tier may differ, if neither
//! differs from a third between them.
//!
//! How sure a pair must be: that any two stacks which are the same end up in different tiers has at most the
//! probability `error` if each direction of each pair is wrong at most as often as `error` divided by the number of
//! stacks. For take the stacks that are the same as each other, c of them, and put them in a circle in an order that
//! has nothing to do with what was measured. A line that parts them has two neighbours at least that it parts, and all
//! pairs it parts were told apart. Each of the c neighbouring pairs is told apart with at most twice the probability
//! of one direction, so two of them at once with at most c times that; and all such c together are at most the number
//! of stacks. (Holm over all pairs would ask 22 stacks for 14 blocks; this asks for 9.) Stacks that are alone in their
//! tier are the same as nobody, and need not be counted again: Goeman and Solari's sequential rejection, Annals of
//! Statistics 38:3782, 2010.

use std::collections::BTreeMap;

use super::signed_rank;
use super::stats;
use super::verdict::Better;

/// Places of stacks by one metric.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tiers {
    /// The tiers, best first, each with the numbers of its stacks, best median first.
    pub tiers: Vec<Vec<usize>>,
    /// Stacks without a single value: they have no place.
    pub unplaced: Vec<usize>,
    /// Blocks it takes before as many stacks can be told apart at all, where there are fewer.
    pub blocks_needed: Option<usize>,
}

/// Puts stacks into tiers. Each stack is its values by block; `error` is how often any two that are the same may be
/// told apart: 0.05.
#[must_use]
pub fn tiers(stacks: &[BTreeMap<u32, f64>], better: Better, error: f64) -> Tiers {
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
    let order: Vec<usize> = order.into_iter().map(|(_, stack)| stack).collect();

    let mut pairs: Vec<Pair> = Vec::new();
    for (place, &upper) in order.iter().enumerate() {
        pairs.extend(order[place + 1..].iter().map(|&lower| Pair::of(stacks, upper, lower, better)));
    }
    let needed = signed_rank::fewest(level(error, order.len()));
    let fewest_blocks = pairs.iter().map(|pair| pair.blocks).min();

    let mut in_company = order.len();
    let tiers = loop {
        pairs.iter_mut().for_each(|pair| pair.tell_apart(level(error, in_company)));
        let tiers = parted(&order, &pairs);
        let left = tiers.iter().filter(|tier| tier.len() > 1).map(Vec::len).sum();
        if left == in_company {
            break tiers;
        }
        in_company = left;
    };
    Tiers { tiers, unplaced, blocks_needed: fewest_blocks.filter(|blocks| *blocks < needed).map(|_| needed) }
}

/// How often one direction of a pair may be wrong among so many stacks; see the module's text.
fn level(error: f64, stacks: usize) -> f64 {
    error / stacks.max(2) as f64
}

/// The stacks in their order, with a line wherever all before were told from all after.
fn parted(order: &[usize], pairs: &[Pair]) -> Vec<Vec<usize>> {
    let is_apart = |upper, lower| pairs.iter().any(|p| p.upper == upper && p.lower == lower && p.is_apart);
    let mut tiers: Vec<Vec<usize>> = Vec::new();
    for (place, &stack) in order.iter().enumerate() {
        let (above, below) = order.split_at(place);
        let ends = above.iter().all(|&upper| below.iter().all(|&lower| is_apart(upper, lower)));
        match tiers.last_mut() {
            Some(tier) if !ends => tier.push(stack),
            _ => tiers.push(vec![stack]),
        }
    }
    tiers
}

/// Two stacks, the first with the better median.
struct Pair {
    upper: usize,
    lower: usize,
    blocks: usize,
    averages: Vec<f64>,
    is_apart: bool,
}

impl Pair {
    fn of(stacks: &[BTreeMap<u32, f64>], upper: usize, lower: usize, better: Better) -> Pair {
        let common = stacks[upper].iter().filter_map(|(block, value)| Some((*stacks[lower].get(block)?, *value)));
        let logs: Vec<f64> = common.map(|(lower, upper)| better.worse((lower / upper).ln())).collect();
        Pair { upper, lower, blocks: logs.len(), averages: signed_rank::walsh_averages(&logs), is_apart: false }
    }

    /// Whether the whole interval, with each end wrong at most as often as `level`, says that the lower is worse.
    fn tell_apart(&mut self, level: f64) {
        let interval = signed_rank::bounds(&self.averages, self.blocks, level);
        self.is_apart = interval.is_some_and(|interval| interval.lower > 0.0);
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

    #[test]
    fn what_cannot_be_told_apart_shares_a_place() {
        let stacks = [stack(200.0, 0.001, 10), stack(100.0, 0.001, 10), stack(100.1, 0.0, 10), stack(400.0, 0.0, 10)];
        let less = tiers(&stacks, Better::Less, 0.05);
        assert_eq!(less.tiers, [vec![1, 2], vec![0], vec![3]]);
        let more = tiers(&stacks, Better::More, 0.05);
        assert_eq!(more.tiers, [vec![3], vec![0], vec![2, 1]]);
        assert_eq!((more.unplaced, more.blocks_needed), (vec![], None));
    }

    #[test]
    fn too_few_blocks_tell_nothing_apart_and_say_how_many_would() {
        let many = |blocks| (0..22).map(|n| stack(f64::from(1 << n), 0.0, blocks)).collect::<Vec<_>>();
        let found = tiers(&many(8), Better::Less, 0.05);
        assert_eq!((found.tiers.len(), found.blocks_needed), (1, Some(9)));
        let found = tiers(&many(9), Better::Less, 0.05);
        assert_eq!((found.tiers.len(), found.blocks_needed), (22, None));
        assert_eq!(tiers(&many(6)[..3], Better::Less, 0.05).tiers, [[0], [1], [2]], "three need no more than six");
    }

    #[test]
    fn a_chain_of_stacks_is_one_tier() {
        // Each cannot be told from the next, the first could be told from the last: still no line between them.
        let scattered = |middle: f64, shift: u32| -> BTreeMap<u32, f64> {
            (0..10).map(|block| (block, middle * (1.0 + 0.05 * f64::from((block + shift) * 7 % 10)))).collect()
        };
        let found = tiers(&[scattered(1.0, 0), scattered(1.15, 3), scattered(1.3, 6)], Better::Less, 0.05);
        assert_eq!(found.tiers, [[0, 1, 2]]);
    }

    #[test]
    fn a_stack_without_values_has_no_place() {
        let found = tiers(&[stack(2.0, 0.0, 10), BTreeMap::new(), stack(1.0, 0.0, 10)], Better::Less, 0.05);
        assert_eq!((found.tiers, found.unplaced), (vec![vec![2], vec![0]], vec![1]));
        assert_eq!(tiers(&[], Better::Less, 0.05).tiers, Vec::<Vec<usize>>::new());
    }

    /// Twenty stacks: all the same, or ten pairs far from each other, each pair the same. In at most 5 % of the runs any
    /// two that are the same are told apart, in the second case with little less: it is the worst there is.
    #[test]
    fn equal_stacks_are_rarely_told_apart() {
        const TRIALS: u32 = 1000;
        let mut rng = ChaCha8Rng::seed_from_u64(1979);
        let mut noise = || (0..12).map(|_| f64::from(rng.next_u32()) / f64::from(u32::MAX)).sum::<f64>() - 6.0;
        for (classes, expected) in [(1_usize, 0.0..=0.05), (10, 0.01..=0.05)] {
            let mut wrong = 0;
            for _ in 0..TRIALS {
                let middle = |stack: usize| (stack % classes) as f64 * 10.0;
                let stacks: Vec<BTreeMap<u32, f64>> = (0..20)
                    .map(|stack| (0..9).map(|block| (block, (middle(stack) + 0.05 * noise()).exp())).collect())
                    .collect();
                wrong += u32::from(tiers(&stacks, Better::Less, 0.05).tiers.len() > classes);
            }
            let rate = f64::from(wrong) / f64::from(TRIALS);
            assert!(expected.contains(&rate), "{classes}: {rate}");
        }
    }
}
