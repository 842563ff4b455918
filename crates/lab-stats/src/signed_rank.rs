//! The exact distribution of Wilcoxon's signed-rank statistic, and the interval derived from it.
//!
//! Wilcoxon, *Individual comparisons by ranking methods*, Biometrics Bulletin 1 (1945); the interval by Tukey
//! is in Hollander, Wolfe and Chicken, *Nonparametric Statistical Methods*, 3rd edition, §3.2 (the estimate) and
//! §3.3 (the interval). It assumes differences that are independent and symmetric about their median, but not
//! normal: one disturbed round cannot widen it without bound, as it would a t-interval.

use std::sync::LazyLock;

/// An interval around an estimate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    pub lower: f64,
    pub upper: f64,
    /// The confidence reached, as a fraction; at least the requested one.
    pub confidence: f64,
}

/// The signed-rank interval, or why there is none.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum SignedRankInterval {
    Exact(Interval),
    /// Even the whole range of so few values does not reach the requested confidence.
    TooFew {
        /// The smallest number of values with an interval of that confidence: 6 for 95 %.
        needed: usize,
    },
}

impl SignedRankInterval {
    #[must_use]
    pub fn exact(&self) -> Option<Interval> {
        match self {
            SignedRankInterval::Exact(interval) => Some(*interval),
            SignedRankInterval::TooFew { .. } => None,
        }
    }
}

/// The interval for the median of `values` with at least `confidence` (a fraction below 1).
///
/// With W the signed-rank statistic of n values, k the largest number with P(W ≤ k) ≤ (1 − confidence)/2, and
/// A(1) ≤ … ≤ A(M) the Walsh averages, it is [A(k+1), A(M−k)] and holds with probability 1 − 2·P(W ≤ k).
#[must_use]
pub fn interval(values: &[f64], confidence: f64) -> SignedRankInterval {
    let tail = (1.0 - confidence) / 2.0;
    match interval_from_averages(&walsh_averages(values), values.len(), tail) {
        None => SignedRankInterval::TooFew { needed: min_sample_size(tail) },
        Some(interval) => SignedRankInterval::Exact(interval),
    }
}

/// The interval from the [`walsh_averages`] of `n` values, with an error rate of at most `tail` at each end; `None` for
/// too few values.
#[must_use]
pub fn interval_from_averages(averages: &[f64], n: usize, tail: f64) -> Option<Interval> {
    let (k, probability) = critical_value(n, tail)?;
    // Without values, a tail of one half or more has a critical value but there is no average.
    let (lower, upper) = (*averages.get(k)?, *averages.get(averages.len().checked_sub(1 + k)?)?);
    Some(Interval { lower, upper, confidence: 1.0 - 2.0 * probability })
}

/// The averages of every pair of values, each value paired with itself included, in ascending order: n(n+1)/2.
#[must_use]
pub fn walsh_averages(values: &[f64]) -> Vec<f64> {
    let mut averages: Vec<f64> = values
        .iter()
        .enumerate()
        .flat_map(|(first, a)| values[first..].iter().map(move |b| f64::midpoint(*a, *b)))
        .collect();
    averages.sort_by(f64::total_cmp);
    averages
}

/// P(W = w) for w = 0 … n(n+1)/2 under the hypothesis that the median is 0.
///
/// W is the sum of those of the ranks 1 … n whose difference is positive, each with probability one half; so the
/// distribution for n ranks is the one for n − 1 ranks, half of it moved up by n.
#[must_use]
pub fn distribution(n: usize) -> Vec<f64> {
    let mut probabilities = vec![1.0];
    for rank in 1..=n {
        let mut next = vec![0.0; probabilities.len() + rank];
        for (w, probability) in probabilities.iter().enumerate() {
            next[w] += probability / 2.0;
            next[w + rank] += probability / 2.0;
        }
        probabilities = next;
    }
    probabilities
}

/// The largest k with P(W ≤ k) ≤ `tail`, and that probability; `None` when P(W = 0) is already larger.
#[must_use]
pub fn critical_value(n: usize, tail: f64) -> Option<(usize, f64)> {
    let within = |cumulative: &[f64]| {
        let k = cumulative.partition_point(|below| *below <= tail).checked_sub(1)?;
        Some((k, cumulative[k]))
    };
    match CUMULATIVE.get(n) {
        Some(known) => within(known),
        None => within(&cumulative(n)),
    }
}

/// P(W ≤ w) for w = 0 … n(n+1)/2.
fn cumulative(n: usize) -> Vec<f64> {
    let mut below = 0.0;
    let sum = |probability| {
        below += probability;
        below
    };
    distribution(n).into_iter().map(sum).collect()
}

/// [`cumulative`] for common numbers of rounds: calibration needs the same few a thousand times.
static CUMULATIVE: LazyLock<Vec<Vec<f64>>> = LazyLock::new(|| (0..=40).map(cumulative).collect());

/// The smallest n with P(W = 0) = 2⁻ⁿ ≤ `tail`.
#[must_use]
pub fn min_sample_size(tail: f64) -> usize {
    let mut n = 1;
    let mut probability = 0.5;
    while probability > tail && n < 64 {
        n += 1;
        probability /= 2.0;
    }
    n
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::{RngCore, SeedableRng};

    use super::*;

    /// Critical values of the two-sided test for n = 6 … 30 at 10 %, 5 % and 1 %, as printed in the tables
    /// (Wilcoxon and Wilcox 1964; McCornack, JASA 60, 1965). −1: none exists.
    const PUBLISHED: [(usize, i64, i64, i64); 25] = [
        (6, 2, 0, -1),
        (7, 3, 2, -1),
        (8, 5, 3, 0),
        (9, 8, 5, 1),
        (10, 10, 8, 3),
        (11, 13, 10, 5),
        (12, 17, 13, 7),
        (13, 21, 17, 9),
        (14, 25, 21, 12),
        (15, 30, 25, 15),
        (16, 35, 29, 19),
        (17, 41, 34, 23),
        (18, 47, 40, 27),
        (19, 53, 46, 32),
        (20, 60, 52, 37),
        (21, 67, 58, 42),
        (22, 75, 65, 48),
        (23, 83, 73, 54),
        (24, 91, 81, 61),
        (25, 100, 89, 68),
        (26, 110, 98, 75),
        (27, 119, 107, 83),
        (28, 130, 116, 91),
        (29, 140, 126, 100),
        (30, 151, 137, 109),
    ];

    #[test]
    fn critical_values_match_published_tables() {
        for (n, ten, five, one) in PUBLISHED {
            for (alpha, expected) in [(0.10, ten), (0.05, five), (0.01, one)] {
                let found = critical_value(n, alpha / 2.0).map_or(-1, |(k, _)| k as i64);
                assert_eq!(found, expected, "n = {n}, two-sided {alpha}");
            }
        }
    }

    #[test]
    fn distribution_by_hand() {
        // Subsets of {1, 2, 3} by sum: 0:1 1:1 2:1 3:2 4:1 5:1 6:1, of 8.
        assert_eq!(distribution(3), [1.0, 1.0, 1.0, 2.0, 1.0, 1.0, 1.0].map(|count| count / 8.0));
        for n in [1, 6, 30, 200] {
            let total: f64 = distribution(n).iter().sum();
            assert!((total - 1.0).abs() < 1e-12, "n = {n}: {total}");
        }
    }

    #[test]
    fn walsh_averages_by_hand() {
        assert_eq!(walsh_averages(&[4.0, 1.0, 2.0]), [1.0, 1.5, 2.0, 2.5, 3.0, 4.0]);
        assert_eq!(walsh_averages(&[]), [0.0; 0]);
    }

    #[test]
    fn six_values_give_their_whole_range_at_96_9_percent() {
        let interval = interval(&[3.0, 1.0, 2.0, 6.0, 5.0, 4.0], 0.95);
        assert_eq!(
            interval,
            SignedRankInterval::Exact(Interval { lower: 1.0, upper: 6.0, confidence: 1.0 - 2.0 / 64.0 })
        );
    }

    #[test]
    fn ten_values_by_hand() {
        // 1 … 10: k = 8, so the 9th Walsh average from either end. In steps of a half the averages are
        // 1, 1.5, 2, 2, 2.5, 2.5, 3, 3, 3, …: the 9th is 3; from the top it is 8. P(W ≤ 8) = 25/1024.
        let values: Vec<f64> = (1..=10).map(f64::from).collect();
        assert_eq!(
            interval(&values, 0.95),
            SignedRankInterval::Exact(Interval { lower: 3.0, upper: 8.0, confidence: 1.0 - 50.0 / 1024.0 })
        );
    }

    #[test]
    fn too_few_values_name_the_number_needed() {
        assert_eq!(interval(&[1.0; 5], 0.95), SignedRankInterval::TooFew { needed: 6 });
        assert_eq!(interval(&[], 0.95), SignedRankInterval::TooFew { needed: 6 });
        assert_eq!(interval(&[1.0; 6], 0.99), SignedRankInterval::TooFew { needed: 8 });
        assert!(interval(&[1.0; 5], 0.90).exact().is_some());
    }

    /// Over many samples with a known median, the interval covers it at the stated rate, for a distribution with far
    /// heavier tails than the normal one.
    #[test]
    fn coverage_matches_confidence() {
        const TRIALS: u32 = 4000;
        let mut rng = ChaCha8Rng::seed_from_u64(1945);
        let mut uniform = || (rng.next_u32() as f64 + 0.5) / (f64::from(u32::MAX) + 1.0);
        let median = 0.25;
        for n in [6, 10, 20] {
            let mut covered = 0;
            let mut stated = 0.0;
            for _ in 0..TRIALS {
                // Cauchy: no mean, no variance.
                let values: Vec<f64> =
                    (0..n).map(|_| median + (std::f64::consts::PI * (uniform() - 0.5)).tan()).collect();
                let found = interval(&values, 0.95).exact().unwrap();
                covered += u32::from(found.lower <= median && median <= found.upper);
                stated = found.confidence;
            }
            let rate = f64::from(covered) / f64::from(TRIALS);
            // Four standard errors of a proportion near 0.95 over 4000 trials.
            assert!((rate - stated).abs() < 0.014, "n = {n}: states {stated}, covers {rate}");
        }
    }
}
