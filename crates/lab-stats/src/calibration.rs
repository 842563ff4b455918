//! The sensitivity of a machine: from rounds of a stack against itself to a noise floor, a false alarm rate and the
//! smallest detectable effect.
//!
//! A stack does not differ from itself, so the log ratios are centred, and runs of the planned size are resampled from
//! them in circular blocks of two neighbours, which preserves correlation in time (Politis and Romano, *A circular
//! block-resampling procedure for stationary data*, 1992). Each resampled run goes through the real [`decision`], at the
//! level of the first of a family of metrics.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore as _, SeedableRng as _};
use serde::{Deserialize, Serialize};

use crate::decision::{self, Baseline, Looks, MetricTest};
use crate::estimate;
use crate::verdict::{Direction, Limits};

/// A gated metric.
#[derive(Debug, Clone, Copy)]
pub struct GatedMetric<'a> {
    /// The largest acceptable worsening, as a fraction; 0 where the metric has no margin.
    pub margin: f64,
    pub direction: Direction,
    pub looks: &'a Looks,
    /// The number of metrics that share the error, this one included.
    pub family: usize,
    /// Whether it is compared with an earlier run, equally long and equally noisy.
    pub against_run: bool,
}

/// The sensitivity of a metric on a machine. All values are fractions.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Sensitivity {
    /// 95 % of comparisons of a stack with itself show a smaller difference than this.
    pub noise_floor: f64,
    /// The rate at which an unchanged stack is called worse than the margin.
    pub false_alarm_rate: f64,
    /// The change that is called worse than the margin with a probability of 80 %; `None` where the rounds are too few to
    /// decide anything.
    pub smallest_detectable_effect: Option<f64>,
}

/// The number of resampled runs.
const DRAWS: usize = 1000;

/// The number of neighbours in a resampled block.
const BLOCK_LENGTH: usize = 2;

/// The sensitivity of a metric, from the log ratios `own` of a stack against itself. The same seed gives the same result.
/// `None` for no values.
#[must_use]
pub fn sensitivity(own: &[f64], gated: GatedMetric<'_>, seed: u64) -> Option<Sensitivity> {
    let middle = estimate::estimate(own, 0.95)?.log_ratio;
    let centred: Vec<f64> = own.iter().map(|log| log - middle).collect();
    let rounds = gated.looks.rounds().last().copied().unwrap_or(0) as usize;
    let limit = Limits::new(gated.margin, gated.direction).worse;
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut differences = Vec::with_capacity(DRAWS);
    let mut found_from: Vec<f64> = Vec::with_capacity(DRAWS);
    for _ in 0..DRAWS {
        let run = draw(&centred, rounds, &mut rng);
        let known = gated.against_run.then(|| draw(&centred, rounds, &mut rng));
        let estimate = |values: &[f64]| estimate::estimate(values, 0.95).map_or(0.0, |estimate| estimate.log_ratio);
        differences.push((estimate(&run) - known.as_deref().map_or(0.0, estimate)).abs());
        let test = MetricTest {
            log_ratios: &run,
            baseline: known.as_deref().map_or(Baseline::NoChange, Baseline::Rounds),
            margin: gated.margin,
            direction: gated.direction,
        };
        // A true change shifts the whole interval; this finds the shift that moves it wholly beyond the margin.
        let certain = decision::certainly_worse(&test, gated.looks, gated.family);
        found_from.extend(certain.map(|certain| limit - certain));
    }
    let alarms = found_from.iter().filter(|from| **from < 0.0).count();
    let is_decidable = found_from.len() == DRAWS;
    Some(Sensitivity {
        noise_floor: quantile(&mut differences, 0.95).exp_m1(),
        false_alarm_rate: alarms as f64 / DRAWS as f64,
        smallest_detectable_effect: is_decidable.then(|| as_fraction(quantile(&mut found_from, 0.80), gated.direction)),
    })
}

/// A worsening as a log ratio, converted to a fraction of the old value.
fn as_fraction(worse: f64, direction: Direction) -> f64 {
    match direction {
        Direction::LowerIsBetter => worse.exp_m1(),
        Direction::HigherIsBetter => -(-worse).exp_m1(),
    }
}

fn draw(values: &[f64], count: usize, rng: &mut ChaCha8Rng) -> Vec<f64> {
    let mut drawn = Vec::with_capacity(count + BLOCK_LENGTH);
    while drawn.len() < count {
        // The bias of the remainder is negligible for so few values.
        let start = rng.next_u64() as usize % values.len();
        drawn.extend((start..start + BLOCK_LENGTH).map(|index| values[index % values.len()]));
    }
    drawn.truncate(count);
    drawn
}

/// The smallest value that at least a fraction `share` of all values do not exceed.
fn quantile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let index = (share * values.len() as f64).ceil() as usize;
    values.get(index.saturating_sub(1)).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Normal noise of a standard deviation of one per cent.
    fn noise(seed: u64, rounds: usize) -> Vec<f64> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut uniform = || f64::from(rng.next_u32()) / f64::from(u32::MAX);
        (0..rounds).map(|_| 0.01 * ((0..12).map(|_| uniform()).sum::<f64>() - 6.0)).collect()
    }

    fn gated(looks: &Looks, margin: f64) -> GatedMetric<'_> {
        GatedMetric { margin, direction: Direction::LowerIsBetter, looks, family: 1, against_run: false }
    }

    #[test]
    fn sensitivity_for_normal_noise() {
        let own = noise(1, 200);
        let looks = Looks::new(vec![20]).unwrap();
        let found = sensitivity(&own, gated(&looks, 0.05), 1).unwrap();
        // Of 20 rounds: 1.96 · 1 % / √20 = 0.44 %; beyond the margin by (1.96 + 0.84) · 1 % / √20 = 0.63 %, and a bit
        // more, because signed ranks are a little less efficient.
        assert!((found.noise_floor - 0.0044).abs() < 0.0008, "{found:?}");
        let effect = found.smallest_detectable_effect.unwrap();
        assert!((0.055..0.059).contains(&effect), "{found:?}");
        assert_eq!(found.false_alarm_rate, 0.0);
        assert_eq!(sensitivity(&own, gated(&looks, 0.05), 1), Some(found), "the seed determines the result");
    }

    #[test]
    fn false_alarm_rate_without_margin() {
        let looks = Looks::new(vec![10, 20]).unwrap();
        let found = sensitivity(&noise(2, 200), gated(&looks, 0.0), 3).unwrap();
        assert!(found.false_alarm_rate > 0.0 && found.false_alarm_rate <= decision::ALPHA + 0.01, "{found:?}");
    }

    #[test]
    fn baseline_and_family_cost_sensitivity() {
        let own = noise(3, 100);
        let looks = Looks::new(vec![20]).unwrap();
        let alone = sensitivity(&own, gated(&looks, 0.05), 1).unwrap();
        let against_run = sensitivity(&own, GatedMetric { against_run: true, ..gated(&looks, 0.05) }, 1).unwrap();
        let one_of_six = sensitivity(&own, GatedMetric { family: 6, ..gated(&looks, 0.05) }, 1).unwrap();
        assert!(against_run.noise_floor > 1.2 * alone.noise_floor);
        assert!(against_run.smallest_detectable_effect > alone.smallest_detectable_effect);
        assert!(one_of_six.smallest_detectable_effect > alone.smallest_detectable_effect);
    }

    #[test]
    fn constant_difference_is_no_noise() {
        let looks = Looks::new(vec![10]).unwrap();
        let found = sensitivity(&[0.3; 20], gated(&looks, 0.05), 1).unwrap();
        assert_eq!((found.noise_floor, found.false_alarm_rate), (0.0, 0.0));
        assert!((found.smallest_detectable_effect.unwrap() - 0.05).abs() < 1e-9);
        let more = GatedMetric { direction: Direction::HigherIsBetter, ..gated(&looks, 0.05) };
        assert!((sensitivity(&[0.0; 20], more, 1).unwrap().smallest_detectable_effect.unwrap() - 0.05).abs() < 1e-9);
    }

    #[test]
    fn too_few_rounds_detect_nothing() {
        let looks = Looks::new(vec![5]).unwrap();
        let found = sensitivity(&noise(4, 20), gated(&looks, 0.05), 1).unwrap();
        assert_eq!(found.smallest_detectable_effect, None);
        assert_eq!(sensitivity(&[], gated(&looks, 0.05), 1), None);
    }
}
