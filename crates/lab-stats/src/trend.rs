//! The slope of a line through points, as the median of the slopes between all pairs of them.
//!
//! Theil, *A rank-invariant method of linear and polynomial regression analysis*, Indag. Math. 12 (1950); Sen, *Estimates
//! of the regression coefficient based on Kendall's tau*, JASA 63 (1968). Up to 29 % of the points may lie anywhere: a
//! garbage collection, or growth that ends early, does not change the slope of the rest.

use crate::sample;

/// More points are thinned out evenly: the number of pairs grows with the square.
const MOST_POINTS: usize = 400;

/// The slope, in units of y per unit of x. `None` without two different values of x.
#[must_use]
pub fn slope(points: &[(f64, f64)]) -> Option<f64> {
    let step = points.len().div_ceil(MOST_POINTS).max(1);
    let points: Vec<(f64, f64)> = points.iter().step_by(step).copied().collect();
    let mut slopes = Vec::with_capacity(points.len() * points.len() / 2);
    for (index, (x, y)) in points.iter().enumerate() {
        let later = points[index + 1..].iter().filter(|(later, _)| later != x);
        slopes.extend(later.map(|(later_x, later_y)| (later_y - y) / (later_x - x)));
    }
    sample::median(&slopes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slope_of_a_line_is_exact() {
        let points: Vec<(f64, f64)> = (0..1000).map(|x| (f64::from(x), 3.0 - 2.0 * f64::from(x))).collect();
        assert_eq!(slope(&points), Some(-2.0));
        assert_eq!(slope(&points[..1]), None);
        assert_eq!(slope(&[(1.0, 1.0), (1.0, 2.0)]), None);
    }

    #[test]
    fn growth_that_ends_early_is_no_slope() {
        let points: Vec<(f64, f64)> = (0..40).map(|x| (f64::from(x), f64::from(x.min(10)))).collect();
        assert_eq!(slope(&points), Some(0.0));
        let with_drop: Vec<(f64, f64)> =
            (0..40).map(|x| (f64::from(x), f64::from(x) - if x > 36 { 50.0 } else { 0.0 })).collect();
        assert_eq!(slope(&with_drop), Some(1.0));
    }
}
