//! What a machine can tell apart: from rounds of a stack against itself to a noise floor, a rate of false alarms and
//! the smallest effect that is found.
//!
//! Pure. The true change of a stack against itself is none, so the log ratios are centred, and runs of the size that is
//! asked about are drawn from them: circular blocks of two neighbours at a time, so that what hangs together in time
//! does so in the draws (Politis and Romano, *A circular block-resampling procedure for stationary data*, 1992). The
//! decision made of each is the real one of [`decision`], at the level the first of a family of metrics has.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore as _, SeedableRng as _};
use serde::{Deserialize, Serialize};

use crate::decision::{self, Looks, Question};
use crate::stats;
use crate::verdict::{Better, Limits};

/// A gated metric whose chances are asked for.
#[derive(Debug, Clone, Copy)]
pub struct Gated<'a> {
    /// How much worse fails, as a fraction; 0 where the metric has no margin.
    pub margin: f64,
    /// Which way is better.
    pub better: Better,
    /// The looks of the run.
    pub looks: &'a Looks,
    /// How many metrics share the error with it, itself included.
    pub family: usize,
    /// Whether it is compared with an earlier run of as many rounds, which is as noisy.
    pub against_run: bool,
}

/// What this machine's noise means for a metric. All are fractions.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Chances {
    /// Nineteen of twenty comparisons of a stack with itself show a smaller difference than this.
    pub noise_floor: f64,
    /// How often a stack that has not changed is called worse than the margin.
    pub false_alarm_rate: f64,
    /// The change that is called worse than the margin four times in five; `None` where so few rounds decide nothing.
    pub smallest_detectable_effect: Option<f64>,
}

/// How many runs are drawn.
const DRAWS: usize = 1000;

/// How many neighbours are drawn at a time.
const TOGETHER: usize = 2;

/// The chances of a metric whose log ratios of a stack against itself are `own`; the same seed gives the same answer.
/// `None` for no values.
#[must_use]
pub fn chances(own: &[f64], gated: Gated<'_>, seed: u64) -> Option<Chances> {
    let middle = stats::estimate(own, 0.95)?.log_ratio;
    let centred: Vec<f64> = own.iter().map(|log| log - middle).collect();
    let rounds = gated.looks.rounds().last().copied().unwrap_or(0) as usize;
    let limit = Limits::of(gated.margin, gated.better).worse;
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut differences = Vec::with_capacity(DRAWS);
    let mut found_from: Vec<f64> = Vec::with_capacity(DRAWS);
    for _ in 0..DRAWS {
        let run = draw(&centred, rounds, &mut rng);
        let known = gated.against_run.then(|| draw(&centred, rounds, &mut rng));
        let estimate = |values: &[f64]| stats::estimate(values, 0.95).map_or(0.0, |estimate| estimate.log_ratio);
        differences.push((estimate(&run) - known.as_deref().map_or(0.0, estimate)).abs());
        let question =
            Question { log_ratios: &run, baseline: known.as_deref(), margin: gated.margin, better: gated.better };
        // A change moves the whole interval: from how much on is all of it beyond the margin?
        let certain = decision::certainly_worse(&question, gated.looks, gated.family);
        found_from.extend(certain.map(|certain| limit - certain));
    }
    let alarms = found_from.iter().filter(|from| **from < 0.0).count();
    let is_decidable = found_from.len() == DRAWS;
    Some(Chances {
        noise_floor: quantile(&mut differences, 0.95).exp_m1(),
        false_alarm_rate: alarms as f64 / DRAWS as f64,
        smallest_detectable_effect: is_decidable.then(|| as_fraction(quantile(&mut found_from, 0.80), gated.better)),
    })
}

/// So much worse on the scale of logarithms, as a fraction of what was.
fn as_fraction(worse: f64, better: Better) -> f64 {
    match better {
        Better::Less => worse.exp_m1(),
        Better::More => -(-worse).exp_m1(),
    }
}

fn draw(values: &[f64], count: usize, rng: &mut ChaCha8Rng) -> Vec<f64> {
    let mut drawn = Vec::with_capacity(count + TOGETHER);
    while drawn.len() < count {
        // The bias of a remainder is one in billions here.
        let start = rng.next_u64() as usize % values.len();
        drawn.extend((start..start + TOGETHER).map(|index| values[index % values.len()]));
    }
    drawn.truncate(count);
    drawn
}

/// The smallest value that so many of all are not above.
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

    fn gated(looks: &Looks, margin: f64) -> Gated<'_> {
        Gated { margin, better: Better::Less, looks, family: 1, against_run: false }
    }

    #[test]
    fn chances_are_those_of_normal_noise() {
        let own = noise(1, 200);
        let looks = Looks::after(vec![20]).unwrap();
        let found = chances(&own, gated(&looks, 0.05), 1).unwrap();
        // Of 20 rounds: 1.96 · 1 % / √20 = 0.44 %; beyond the margin by (1.96 + 0.84) · 1 % / √20 = 0.63 %, and a bit
        // more, because signed ranks are a little less efficient.
        assert!((found.noise_floor - 0.0044).abs() < 0.0008, "{found:?}");
        let effect = found.smallest_detectable_effect.unwrap();
        assert!((0.055..0.059).contains(&effect), "{found:?}");
        assert_eq!(found.false_alarm_rate, 0.0);
        assert_eq!(chances(&own, gated(&looks, 0.05), 1), Some(found), "the seed decides");
    }

    #[test]
    fn without_a_margin_false_alarms_are_as_rare_as_promised() {
        let looks = Looks::after(vec![10, 20]).unwrap();
        let found = chances(&noise(2, 200), gated(&looks, 0.0), 3).unwrap();
        assert!(found.false_alarm_rate > 0.0 && found.false_alarm_rate <= decision::ALPHA + 0.01, "{found:?}");
    }

    #[test]
    fn an_earlier_run_and_a_larger_family_cost_sensitivity() {
        let own = noise(3, 100);
        let looks = Looks::after(vec![20]).unwrap();
        let alone = chances(&own, gated(&looks, 0.05), 1).unwrap();
        let against_run = chances(&own, Gated { against_run: true, ..gated(&looks, 0.05) }, 1).unwrap();
        let one_of_six = chances(&own, Gated { family: 6, ..gated(&looks, 0.05) }, 1).unwrap();
        assert!(against_run.noise_floor > 1.2 * alone.noise_floor);
        assert!(against_run.smallest_detectable_effect > alone.smallest_detectable_effect);
        assert!(one_of_six.smallest_detectable_effect > alone.smallest_detectable_effect);
    }

    #[test]
    fn a_constant_difference_from_itself_is_no_noise() {
        let looks = Looks::after(vec![10]).unwrap();
        let found = chances(&[0.3; 20], gated(&looks, 0.05), 1).unwrap();
        assert_eq!((found.noise_floor, found.false_alarm_rate), (0.0, 0.0));
        assert!((found.smallest_detectable_effect.unwrap() - 0.05).abs() < 1e-9);
        let more = Gated { better: Better::More, ..gated(&looks, 0.05) };
        assert!((chances(&[0.0; 20], more, 1).unwrap().smallest_detectable_effect.unwrap() - 0.05).abs() < 1e-9);
    }

    #[test]
    fn rounds_that_decide_nothing_find_nothing() {
        let looks = Looks::after(vec![5]).unwrap();
        let found = chances(&noise(4, 20), gated(&looks, 0.05), 1).unwrap();
        assert_eq!(found.smallest_detectable_effect, None);
        assert_eq!(chances(&[], gated(&looks, 0.05), 1), None);
    }
}
