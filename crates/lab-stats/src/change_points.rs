//! Change points of a series of sessions: E-divisive means.
//!
//! Matteson and James, *A nonparametric approach for multiple change point analysis of multivariate data*, JASA 109 (2014),
//! with the exponent 1; Daly et al., *The use of change point detection to identify software performance regressions in a
//! continuous integration system*, ICPE 2020. A segment is split where the scaled energy distance of its two parts is
//! largest. The split is kept if few permutations within the segments reach that distance, and its parts are looked at in
//! turn.
//!
//! It describes a series that has been measured. A gate cannot rest on it: the same series is looked at again
//! after every session.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// The significance of a change point of sessions: about one series in fifty shows one where nothing has changed.
pub const SIGNIFICANCE: f64 = 0.02;

/// The seed of the permutations: the same sessions must give the same answer.
pub const SEED: u64 = 2014;

/// No shorter part is split off. Of a series of up to six values, no split is significant anyway.
const MIN_SEGMENT: usize = 3;

/// The permutations that a split is compared with.
const PERMUTATIONS: u32 = 999;

/// Where a series changes its level.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ChangePoint {
    /// The index of the first value of the new level.
    pub index: usize,
    /// The mean of the values from the change point before to this one.
    pub before: f64,
    /// The mean of the values from this change point to the next.
    pub after: f64,
    /// The share of permutations with as large a distance.
    pub p: f64,
}

/// A split of a segment.
#[derive(Debug, Clone, Copy)]
struct Split {
    /// The first index of the right part, in the whole series.
    index: usize,
    /// The scaled energy distance of the parts.
    distance: f64,
}

/// The change points in the order of the series. Each was significant at `significance`, a fraction such as 0.01, when it was
/// found. The permutations are drawn from `seed`.
#[must_use]
pub fn change_points(values: &[f64], significance: f64, seed: u64) -> Vec<ChangePoint> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut found: Vec<(usize, f64)> = Vec::new();
    loop {
        let bounds = bounds(&found, values.len());
        let Some(split) = best_split(values, &bounds) else { break };
        let p = permutation_p(values, &bounds, split.distance, &mut random);
        if p > significance {
            break;
        }
        found.push((split.index, p));
    }
    found.sort_unstable_by_key(|(index, _)| *index);
    let bounds = bounds(&found, values.len());
    let mean = |segment: &[f64]| segment.iter().sum::<f64>() / segment.len() as f64;
    let points = found.iter().zip(bounds.windows(3)).map(|(&(index, p), around)| ChangePoint {
        index,
        before: mean(&values[around[0]..around[1]]),
        after: mean(&values[around[1]..around[2]]),
        p,
    });
    points.collect()
}

/// The ends of the segments, from 0 to the length of the series.
fn bounds(found: &[(usize, f64)], length: usize) -> Vec<usize> {
    let mut bounds: Vec<usize> = found.iter().map(|(index, _)| *index).chain([0, length]).collect();
    bounds.sort_unstable();
    bounds.dedup();
    bounds
}

/// The split with the largest distance of all segments; `None` if none is long enough.
fn best_split(values: &[f64], bounds: &[usize]) -> Option<Split> {
    let splits = bounds.windows(2).filter_map(|ends| {
        let split = segment_split(&values[ends[0]..ends[1]])?;
        Some(Split { index: ends[0] + split.index, ..split })
    });
    splits.max_by(|one, other| one.distance.total_cmp(&other.distance))
}

/// The best split of one segment. The sums of distances within and between the parts are kept up to date while values move
/// from the right part to the left one, so that all splits take n² steps.
fn segment_split(segment: &[f64]) -> Option<Split> {
    let n = segment.len();
    let sum = |from: &[f64], value: f64| from.iter().map(|other| (other - value).abs()).sum::<f64>();
    let (mut left, mut right, mut between) = (0.0, 0.0, 0.0);
    for index in 0..n {
        right += sum(&segment[index + 1..], segment[index]);
    }
    let mut best: Option<Split> = None;
    for index in 1..n {
        let moved = segment[index - 1];
        let (to_left, to_right) = (sum(&segment[..index - 1], moved), sum(&segment[index..], moved));
        left += to_left;
        right -= to_right;
        between += to_right - to_left;
        if index < MIN_SEGMENT || n - index < MIN_SEGMENT {
            continue;
        }
        let (a, b) = (index as f64, (n - index) as f64);
        let pairs = |count: f64| count * (count - 1.0) / 2.0;
        let energy = 2.0 * between / (a * b) - left / pairs(a) - right / pairs(b);
        let distance = a * b / (a + b) * energy;
        if best.is_none_or(|best| distance > best.distance) {
            best = Some(Split { index, distance });
        }
    }
    best
}

/// How often the best split of shuffled segments is as good as `distance`. The series itself counts as one permutation.
fn permutation_p(values: &[f64], bounds: &[usize], distance: f64, random: &mut ChaCha8Rng) -> f64 {
    let mut shuffled = values.to_vec();
    let mut reached = 1;
    for _ in 0..PERMUTATIONS {
        for ends in bounds.windows(2) {
            shuffle(&mut shuffled[ends[0]..ends[1]], random);
        }
        // Rounding must not make an equal arrangement smaller.
        let is_reached = best_split(&shuffled, bounds).is_some_and(|split| split.distance >= distance * (1.0 - 1e-9));
        reached += u32::from(is_reached);
    }
    f64::from(reached) / f64::from(PERMUTATIONS + 1)
}

/// Fisher and Yates. The bias of the remainder is below 2⁻⁵⁰ for any series that fits in memory.
fn shuffle(values: &mut [f64], random: &mut ChaCha8Rng) {
    for last in (1..values.len()).rev() {
        let other = random.next_u64() % (last as u64 + 1);
        values.swap(last, other as usize);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The annual flow of the Nile at Aswan, 1871 to 1970, in 10⁸ m³ (Cobb, Biometrika 65, 1978; R's `datasets::Nile`). Its
    /// level fell in 1899.
    const NILE: [f64; 100] = [
        1120.0, 1160.0, 963.0, 1210.0, 1160.0, 1160.0, 813.0, 1230.0, 1370.0, 1140.0, 995.0, 935.0, 1110.0, 994.0,
        1020.0, 960.0, 1180.0, 799.0, 958.0, 1140.0, 1100.0, 1210.0, 1150.0, 1250.0, 1260.0, 1220.0, 1030.0, 1100.0,
        774.0, 840.0, 874.0, 694.0, 940.0, 833.0, 701.0, 916.0, 692.0, 1020.0, 1050.0, 969.0, 831.0, 726.0, 456.0,
        824.0, 702.0, 1120.0, 1100.0, 832.0, 764.0, 821.0, 768.0, 845.0, 864.0, 862.0, 698.0, 845.0, 744.0, 796.0,
        1040.0, 759.0, 781.0, 865.0, 845.0, 944.0, 984.0, 897.0, 822.0, 1010.0, 771.0, 676.0, 649.0, 846.0, 812.0,
        742.0, 801.0, 1040.0, 860.0, 874.0, 848.0, 890.0, 744.0, 749.0, 838.0, 1050.0, 918.0, 986.0, 797.0, 923.0,
        975.0, 815.0, 1020.0, 906.0, 901.0, 1170.0, 912.0, 746.0, 919.0, 718.0, 714.0, 740.0,
    ];

    fn indexes(values: &[f64]) -> Vec<usize> {
        change_points(values, 0.02, 1).iter().map(|point| point.index).collect()
    }

    #[test]
    fn nile_changed_in_1899() {
        let found = change_points(&NILE, 0.01, 1898);
        let [point] = found[..] else { panic!("{found:?}") };
        assert_eq!(1871 + point.index, 1899);
        assert!((point.before - 1097.75).abs() < 0.01 && (point.after - 849.97).abs() < 0.01, "{point:?}");
    }

    /// The two series of the tests of Hunter, the change-point tool of DataStax (`tests/series_test.py`), with its answers.
    #[test]
    fn short_series_of_hunter() {
        let first = [1.02, 0.95, 0.99, 1.00, 1.12, 0.90, 0.50, 0.51, 0.48, 0.48, 0.55];
        let second = [2.02, 2.03, 2.01, 2.04, 1.82, 1.85, 1.79, 1.81, 1.80, 1.76, 1.78];
        assert_eq!(indexes(&first), [6]);
        assert_eq!(indexes(&second), [4]);
    }

    #[test]
    fn energy_distance_by_hand() {
        // Between the parts 9 distances of 4; within them none.
        let split = segment_split(&[1.0, 1.0, 1.0, 5.0, 5.0, 5.0]).unwrap();
        assert_eq!((split.index, split.distance), (3, 9.0 / 6.0 * 2.0 * 4.0));
        assert!(segment_split(&[1.0, 1.0, 1.0, 5.0, 5.0]).is_none(), "too short");
    }

    /// Normal values around a level (Box and Muller).
    fn noise(random: &mut ChaCha8Rng) -> f64 {
        let mut uniform = || (f64::from(random.next_u32()) + 0.5) / (f64::from(u32::MAX) + 1.0);
        (-2.0 * uniform().ln()).sqrt() * (2.0 * std::f64::consts::PI * uniform()).cos()
    }

    #[test]
    fn several_levels_are_found() {
        let mut random = ChaCha8Rng::seed_from_u64(7);
        let levels = [0.0, 5.0, 1.0, 1.0, 4.0];
        let values: Vec<f64> =
            levels.iter().flat_map(|level| [*level; 20]).map(|level| level + noise(&mut random)).collect();
        let found = indexes(&values);
        assert_eq!(found.len(), 3, "{found:?}");
        for (found, made) in found.into_iter().zip([20_usize, 40, 80]) {
            assert!(found.abs_diff(made) <= 1, "{found} for {made}");
        }
    }

    /// Of series without a change, hardly more than the significance have one.
    #[test]
    fn false_alarms_are_rare() {
        let mut random = ChaCha8Rng::seed_from_u64(11);
        let alarms = (0..60).filter(|seed| {
            let values: Vec<f64> = (0..20).map(|_| noise(&mut random)).collect();
            !change_points(&values, 0.05, *seed).is_empty()
        });
        // 3 are expected; 10 or more have a probability of 0.1 %.
        assert!(alarms.count() <= 9);
    }

    #[test]
    fn constant_and_short_series_have_none() {
        assert_eq!(indexes(&[]), [0; 0]);
        assert_eq!(indexes(&[1.0; 40]), [0; 0]);
        assert_eq!(indexes(&[1.0, 1.0, 1.0, 2.0, 2.0, 2.0]), [0; 0], "six values can do that by chance");
    }
}
