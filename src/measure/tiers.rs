//! Tiers instead of ranks: stacks that cannot be told apart share a place.
//!
//! Pure. Every two stacks are compared by the exact signed-rank interval of the logarithms of their ratio, over the
//! blocks both have; Holm's procedure over all pairs keeps the probability of telling any two apart that are the same
//! at or below the error asked for. Stacks are put in the order of their medians, and a tier ends where everything
//! before can be told from everything after. So no two stacks of different tiers can be confused; two of one tier may
//! differ, if neither differs from a third between them.

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
    let first_level = error / 2.0 / pairs.len().max(1) as f64;
    let fewest_blocks = pairs.iter().map(|pair| pair.blocks).min();
    let needed = signed_rank::fewest(first_level);
    holm(&mut pairs, error / 2.0);

    let mut tiers: Vec<Vec<usize>> = Vec::new();
    for (place, &stack) in order.iter().enumerate() {
        let (above, below) = order.split_at(place);
        let is_apart = |upper, lower| pairs.iter().any(|p| p.upper == upper && p.lower == lower && p.is_apart);
        let ends = above.iter().all(|&upper| below.iter().all(|&lower| is_apart(upper, lower)));
        match tiers.last_mut() {
            Some(tier) if !ends => tier.push(stack),
            _ => tiers.push(vec![stack]),
        }
    }
    Tiers { tiers, unplaced, blocks_needed: fewest_blocks.filter(|blocks| *blocks < needed).map(|_| needed) }
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
}

/// Tells pairs apart whose whole interval, with each end wrong at most as often as the error divided by the pairs not
/// told apart yet, says that the lower is worse.
fn holm(pairs: &mut [Pair], error: f64) {
    loop {
        let open = pairs.iter().filter(|pair| !pair.is_apart).count();
        let level = error / open.max(1) as f64;
        let mut any = false;
        for pair in pairs.iter_mut().filter(|pair| !pair.is_apart) {
            let interval = signed_rank::bounds(&pair.averages, pair.blocks, level);
            pair.is_apart = interval.is_some_and(|interval| interval.lower > 0.0);
            any |= pair.is_apart;
        }
        if !any {
            return;
        }
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
        let stacks = [stack(1.0, 0.0, 6), stack(2.0, 0.0, 6), stack(4.0, 0.0, 6)];
        let found = tiers(&stacks, Better::Less, 0.05);
        assert_eq!((found.tiers, found.blocks_needed), (vec![vec![0, 1, 2]], Some(7)));
        assert_eq!(tiers(&stacks[..2], Better::Less, 0.05).tiers, [[0], [1]], "one pair needs no more than six");
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

    /// Five stacks that are the same are told apart in at most 5 % of the runs.
    #[test]
    fn equal_stacks_are_rarely_told_apart() {
        const TRIALS: u32 = 1000;
        let mut rng = ChaCha8Rng::seed_from_u64(1979);
        let mut noise = || (0..12).map(|_| f64::from(rng.next_u32()) / f64::from(u32::MAX)).sum::<f64>() - 6.0;
        let mut wrong = 0;
        for _ in 0..TRIALS {
            let stacks: Vec<BTreeMap<u32, f64>> =
                (0..5).map(|_| (0..12).map(|block| (block, (0.05 * noise()).exp())).collect()).collect();
            wrong += u32::from(tiers(&stacks, Better::Less, 0.05).tiers.len() > 1);
        }
        let rate = f64::from(wrong) / f64::from(TRIALS);
        assert!(rate <= 0.05, "{rate}");
    }
}
