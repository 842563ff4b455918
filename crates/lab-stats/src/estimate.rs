//! Log ratios of paired rounds, their Hodges-Lehmann estimate and its intervals.
//!
//! The unit is the round, never the request: the requests of one round share its moment and its process, so their number
//! says nothing about how well the result repeats. On the logarithmic scale twice as much and half as much are equally far
//! from no change.
//!
//! The estimate: Hodges and Lehmann, *Estimates of location based on rank tests*, Ann. Math. Statist. 34 (1963).

use crate::sample::median_of_sorted;
use crate::signed_rank::{self, Interval, SignedRankInterval};
use crate::student_t;

/// Why a pair of rounds has no log ratio.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum LogRatioError {
    #[error("the ratio of {candidate} to {reference} has no logarithm: both must be positive and finite")]
    NotPositive {
        /// The value of the measured stack.
        candidate: f64,
        /// The value of the reference stack in the same block.
        reference: f64,
    },
}

/// The estimate from a series of log ratios, on the logarithmic scale.
#[derive(Debug, Clone, PartialEq)]
pub struct Estimate {
    /// The number of pairs of rounds.
    pub rounds: usize,
    /// The Hodges-Lehmann estimate: the median of the Walsh averages.
    pub log_ratio: f64,
    /// The exact signed-rank interval, the basis of all verdicts; or why there is none.
    pub signed_rank: SignedRankInterval,
    /// The t-interval, for comparison; `None` for a single round.
    pub t: Option<Interval>,
}

impl Estimate {
    /// The estimate as a ratio: 1.03 is three per cent more than the reference.
    #[must_use]
    pub fn ratio(&self) -> f64 {
        self.log_ratio.exp()
    }

    /// The signed-rank interval as ratios, if there is one.
    #[must_use]
    pub fn ratio_interval(&self) -> Option<Interval> {
        self.signed_rank.exact().map(|interval| Interval {
            lower: interval.lower.exp(),
            upper: interval.upper.exp(),
            confidence: interval.confidence,
        })
    }
}

/// The natural logarithms of candidate/reference, one per block.
///
/// # Errors
/// A value is not positive and finite; callers must exclude such invalid rounds.
pub fn log_ratios(pairs: &[(f64, f64)]) -> Result<Vec<f64>, LogRatioError> {
    pairs
        .iter()
        .map(|&(candidate, reference)| {
            let log = (candidate / reference).ln();
            if log.is_finite() && candidate > 0.0 && reference > 0.0 {
                Ok(log)
            } else {
                Err(LogRatioError::NotPositive { candidate, reference })
            }
        })
        .collect()
}

/// Estimates the median of `log_ratios` with intervals of at least `confidence`, a fraction such as 0.95. `None` for no
/// values.
#[must_use]
pub fn estimate(log_ratios: &[f64], confidence: f64) -> Option<Estimate> {
    Some(Estimate {
        rounds: log_ratios.len(),
        log_ratio: median_of_sorted(&signed_rank::walsh_averages(log_ratios))?,
        signed_rank: signed_rank::interval(log_ratios, confidence),
        t: student_t::interval(log_ratios, confidence),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_ratios_of_pairs() {
        let logs = log_ratios(&[(2.0, 1.0), (1.0, 2.0), (5.0, 5.0)]).unwrap();
        assert_eq!(logs, [2.0_f64.ln(), 0.5_f64.ln(), 0.0]);
    }

    #[test]
    fn values_without_logarithm_are_refused() {
        for pair in [(0.0, 1.0), (1.0, 0.0), (-1.0, -1.0), (f64::NAN, 1.0), (f64::INFINITY, 1.0)] {
            assert!(log_ratios(&[pair]).is_err(), "{pair:?}");
        }
        assert_eq!(
            log_ratios(&[(0.0, 4.5)]).unwrap_err().to_string(),
            "the ratio of 0 to 4.5 has no logarithm: both must be positive and finite"
        );
    }

    #[test]
    fn estimate_by_hand() {
        // Walsh averages of 1, 2, 4: 1, 1.5, 2, 2.5, 3, 4. Their median is 2.25.
        let found = estimate(&[4.0, 1.0, 2.0], 0.95).unwrap();
        assert_eq!(found.log_ratio, 2.25);
        assert_eq!(found.rounds, 3);
        assert_eq!(found.signed_rank, SignedRankInterval::TooFew { needed: 6 });
        assert!(found.t.is_some());
        assert_eq!(estimate(&[], 0.95), None);
    }

    #[test]
    fn outlier_hardly_moves_the_estimate() {
        let calm = estimate(&[0.01, 0.012, 0.008, 0.011, 0.009, 0.01, 0.012, 0.01, 0.009, 0.011], 0.95).unwrap();
        let disturbed = estimate(&[0.01, 0.012, 0.008, 0.011, 0.009, 0.01, 0.012, 0.01, 0.009, 3.0], 0.95).unwrap();
        assert!((calm.log_ratio - disturbed.log_ratio).abs() < 0.001);
        assert!(disturbed.signed_rank.exact().unwrap().upper < 2.0);
        assert!(disturbed.t.unwrap().lower < 0.0, "the t-interval is not robust");
    }

    #[test]
    fn ratios_are_exponentials() {
        let found = estimate(&[1.1_f64.ln(); 6], 0.95).unwrap();
        assert!((found.ratio() - 1.1).abs() < 1e-12);
        let interval = found.ratio_interval().unwrap();
        assert!((interval.lower - 1.1).abs() < 1e-12 && (interval.upper - 1.1).abs() < 1e-12);
        assert_eq!(interval.confidence, 0.96875);
    }
}
