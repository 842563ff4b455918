//! Student's t distribution for integer degrees of freedom, and the interval derived from it.
//!
//! Reports show it beside the signed-rank interval: where the two disagree, the rounds are not normal. The distribution:
//! Student, *The probable error of a mean*, Biometrika 6 (1908).

use crate::sample;
use crate::signed_rank::Interval;

/// The t-interval for the mean of `values` at `confidence` (a fraction below 1); `None` for fewer than two values.
#[must_use]
pub fn interval(values: &[f64], confidence: f64) -> Option<Interval> {
    around_mean(values, confidence, |n| 1.0 / n)
}

/// The prediction interval: it contains one more value of the same kind with probability `confidence`. It is that of the
/// mean, widened by the scatter of the further value. `None` for fewer than two values.
#[must_use]
pub fn prediction_interval(values: &[f64], confidence: f64) -> Option<Interval> {
    around_mean(values, confidence, |n| 1.0 + 1.0 / n)
}

/// The interval around the mean of a deviation whose variance is `share`, given the number of values, of that of a value.
fn around_mean(values: &[f64], confidence: f64, share: impl Fn(f64) -> f64) -> Option<Interval> {
    let (mean, deviation) = (sample::mean(values)?, sample::standard_deviation(values)?);
    let half = quantile(confidence, values.len() as u32 - 1) * deviation * share(values.len() as f64).sqrt();
    Some(Interval { lower: mean - half, upper: mean + half, confidence })
}

/// The t with P(|T| ≤ t) = `probability`, for `degrees` ≥ 1 degrees of freedom.
///
/// Bisection suffices: the distribution function is monotone, and speed does not matter.
#[must_use]
pub fn quantile(probability: f64, degrees: u32) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    while within(high, degrees) < probability && high < 1e12 {
        high *= 2.0;
    }
    for _ in 0..200 {
        let middle = f64::midpoint(low, high);
        if within(middle, degrees) < probability {
            low = middle;
        } else {
            high = middle;
        }
    }
    f64::midpoint(low, high)
}

/// P(|T| ≤ t): the finite series for integer degrees of freedom (Abramowitz and Stegun, 26.7.3 and 26.7.4).
fn within(t: f64, degrees: u32) -> f64 {
    let angle = (t / f64::from(degrees).sqrt()).atan();
    let (sin, cos) = angle.sin_cos();
    // The series steps by two: cos, cos³ … for odd degrees, 1, cos² … for even ones.
    let odd = degrees % 2 == 1;
    let mut sum = 0.0;
    let mut term = if odd { cos } else { 1.0 };
    let mut order = if odd { 1 } else { 0 };
    while order + 2 <= degrees {
        sum += term;
        order += 2;
        term *= cos * cos * f64::from(order - 1) / f64::from(order);
    }
    if odd { (angle + sin * sum) * std::f64::consts::FRAC_2_PI } else { sin * sum }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_match_published_tables() {
        // Two-sided 95 % and 99 % (any table of Student's t; Fisher and Yates, table III).
        for (degrees, at_95, at_99) in [
            (1, 12.706, 63.657),
            (2, 4.303, 9.925),
            (3, 3.182, 5.841),
            (4, 2.776, 4.604),
            (5, 2.571, 4.032),
            (9, 2.262, 3.250),
            (10, 2.228, 3.169),
            (19, 2.093, 2.861),
            (29, 2.045, 2.756),
            (120, 1.980, 2.617),
        ] {
            assert!((quantile(0.95, degrees) - at_95).abs() < 5e-4, "{degrees}: {}", quantile(0.95, degrees));
            assert!((quantile(0.99, degrees) - at_99).abs() < 5e-4, "{degrees}: {}", quantile(0.99, degrees));
        }
    }

    #[test]
    fn interval_by_hand() {
        // Mean 3, variance 2.5, n = 5: 3 ± 2.776 · √0.5.
        let found = interval(&[1.0, 2.0, 3.0, 4.0, 5.0], 0.95).unwrap();
        assert!((found.lower - (3.0 - 2.7764 * 0.5_f64.sqrt())).abs() < 1e-4);
        assert!((found.upper - (3.0 + 2.7764 * 0.5_f64.sqrt())).abs() < 1e-4);
    }

    #[test]
    fn prediction_by_hand() {
        // As above, with the variance of one more value: 3 ± 2.776 · √(2.5 + 0.5).
        let found = prediction_interval(&[1.0, 2.0, 3.0, 4.0, 5.0], 0.95).unwrap();
        assert!((found.lower - (3.0 - 2.7764 * 3.0_f64.sqrt())).abs() < 1e-4);
        assert!((found.upper - (3.0 + 2.7764 * 3.0_f64.sqrt())).abs() < 1e-4);
    }

    #[test]
    fn single_value_has_no_interval() {
        assert_eq!(interval(&[1.0], 0.95), None);
        assert_eq!(prediction_interval(&[1.0], 0.95), None);
        assert_eq!(interval(&[], 0.95), None);
    }
}
