//! From an estimate to a verdict: is the change worth failing for?
//!
//! Pure. Only an interval can decide, and only against a margin that was set beforehand: a difference can be certain
//! and too small to matter, or large and not certain. The rule is that of equivalence and non-inferiority testing
//! (Wellek, *Testing Statistical Hypotheses of Equivalence and Noninferiority*, 2nd edition, chapter 1).

use super::signed_rank::SignedRankInterval;
use super::stats::Estimate;

/// Which way is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Better {
    /// More is better: throughput.
    More,
    /// Less is better: time, cost.
    Less,
}

/// What an estimate says about a change, given a margin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The worse end of the interval is within the margin.
    Pass,
    /// The whole interval is worse than the margin.
    Fail,
    /// The whole interval is better than the margin.
    Improved,
    /// The interval straddles the margin, or there are too few rounds for one.
    Inconclusive {
        /// How many more rounds would decide, if they went on as they have; `None` when the estimate is so close
        /// to the margin that no number within reach would.
        further_rounds: Option<u32>,
    },
}

/// More rounds than this are not within reach.
const REACH: f64 = 10_000.0;

/// Judges `estimate` against `margin`, a fraction: 0.05 is five per cent.
///
/// "Five per cent worse" is a ratio of 1.05 where less is better and of 0.95 where more is better.
#[must_use]
pub fn judge(estimate: &Estimate, margin: f64, better: Better) -> Verdict {
    let interval = match estimate.signed_rank {
        SignedRankInterval::Exact(interval) => interval,
        SignedRankInterval::TooFew { needed } => {
            return Verdict::Inconclusive {
                further_rounds: u32::try_from(needed.saturating_sub(estimate.rounds)).ok(),
            };
        }
    };
    // On one scale for both directions: the logarithm of how much worse.
    let (best, middle, worst, limit, gain) = match better {
        Better::Less => (interval.lower, estimate.log_ratio, interval.upper, margin.ln_1p(), -(-margin).ln_1p()),
        Better::More => (-interval.upper, -estimate.log_ratio, -interval.lower, -(-margin).ln_1p(), margin.ln_1p()),
    };
    if best > limit {
        Verdict::Fail
    } else if worst < -gain {
        Verdict::Improved
    } else if worst <= limit {
        Verdict::Pass
    } else {
        let (width, room) =
            if middle <= limit { (worst - middle, limit - middle) } else { (middle - best, middle - limit) };
        Verdict::Inconclusive { further_rounds: further_rounds(estimate.rounds, width, room) }
    }
}

/// Rounds beyond `rounds` after which an interval that is now `width` wide on one side fits into `room`: its width
/// goes with one over the square root of the number of rounds.
fn further_rounds(rounds: usize, width: f64, room: f64) -> Option<u32> {
    let needed = rounds as f64 * (width / room).powi(2);
    let further = needed.ceil() - rounds as f64;
    (further <= REACH).then(|| further.max(1.0) as u32)
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::{RngCore, SeedableRng};

    use super::super::signed_rank::Interval;
    use super::super::stats;
    use super::*;

    /// An estimate of `rounds` rounds, given as ratios.
    fn seen(rounds: usize, lower: f64, middle: f64, upper: f64) -> Estimate {
        Estimate {
            rounds,
            log_ratio: middle.ln(),
            signed_rank: SignedRankInterval::Exact(Interval { lower: lower.ln(), upper: upper.ln(), confidence: 0.95 }),
            t: None,
        }
    }

    #[test]
    fn less_is_better() {
        let judge = |lower, middle, upper| judge(&seen(10, lower, middle, upper), 0.05, Better::Less);
        assert_eq!(judge(0.99, 1.01, 1.049), Verdict::Pass);
        assert_eq!(judge(1.051, 1.06, 1.08), Verdict::Fail);
        assert_eq!(judge(0.90, 0.92, 0.949), Verdict::Improved);
        assert_eq!(judge(0.90, 0.92, 0.96), Verdict::Pass, "better, but not wholly by the margin");
        assert!(matches!(judge(1.0, 1.03, 1.06), Verdict::Inconclusive { .. }));
    }

    #[test]
    fn more_is_better() {
        let judge = |lower, middle, upper| judge(&seen(10, lower, middle, upper), 0.05, Better::More);
        assert_eq!(judge(0.951, 0.99, 1.01), Verdict::Pass);
        assert_eq!(judge(0.90, 0.92, 0.949), Verdict::Fail);
        assert_eq!(judge(1.051, 1.06, 1.08), Verdict::Improved);
        assert!(matches!(judge(0.94, 0.97, 1.0), Verdict::Inconclusive { .. }));
    }

    #[test]
    fn the_margin_itself_still_passes() {
        assert_eq!(judge(&seen(10, 1.0, 1.0, 1.0), 0.0, Better::Less), Verdict::Pass);
        assert_eq!(judge(&seen(10, 1.0, 1.0, 1.0), 0.0, Better::More), Verdict::Pass);
    }

    #[test]
    fn an_open_case_says_how_many_rounds_would_decide() {
        // In logarithms: middle 0, worse end at 1.9 times the limit: 1.9² · 10 = 36.1 rounds in all.
        let limit = 1.05_f64.ln();
        let open = seen(10, (-1.9 * limit).exp(), 1.0, (1.9 * limit).exp());
        assert_eq!(judge(&open, 0.05, Better::Less), Verdict::Inconclusive { further_rounds: Some(27) });
        // The estimate itself is worse than the margin: how many until it fails?
        let failing = seen(10, limit.exp() * 0.99, (2.0 * limit).exp(), 1.2);
        assert!(
            matches!(judge(&failing, 0.05, Better::Less), Verdict::Inconclusive { further_rounds: Some(n) } if n < 10)
        );
    }

    #[test]
    fn an_estimate_on_the_margin_is_out_of_reach() {
        let on_it = seen(10, 1.0, 1.05, 1.10);
        assert_eq!(judge(&on_it, 0.05, Better::Less), Verdict::Inconclusive { further_rounds: None });
    }

    #[test]
    fn too_few_rounds_are_inconclusive_and_say_how_many_are_missing() {
        let two = stats::estimate(&[0.5, 0.5], 0.95).unwrap();
        assert_eq!(judge(&two, 0.05, Better::Less), Verdict::Inconclusive { further_rounds: Some(4) });
    }

    /// The claim of the gate: a change that is exactly as bad as the margin allows is called a failure in at most
    /// half of 5 % of the cases, and no change at all practically never.
    #[test]
    fn false_alarms_are_as_rare_as_promised() {
        const TRIALS: u32 = 2000;
        let mut rng = ChaCha8Rng::seed_from_u64(2011);
        let mut noise = || (0..12).map(|_| f64::from(rng.next_u32()) / f64::from(u32::MAX)).sum::<f64>() - 6.0;
        let mut alarms = |true_ratio: f64| {
            let mut alarms = 0;
            for _ in 0..TRIALS {
                let logs: Vec<f64> = (0..10).map(|_| true_ratio.ln() + 0.03 * noise()).collect();
                let estimate = stats::estimate(&logs, 0.95).unwrap();
                alarms += u32::from(judge(&estimate, 0.05, Better::Less) == Verdict::Fail);
            }
            f64::from(alarms) / f64::from(TRIALS)
        };
        assert!(alarms(1.05) < 0.035, "2.5 % and three standard errors");
        assert!(alarms(1.0) < 0.001);
        assert!(alarms(1.15) > 0.95, "a change three times the margin is found");
    }
}
