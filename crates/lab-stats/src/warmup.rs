//! Decides when a warm-up may end, from the counts and times of each of its seconds.
//!
//! A driver keeps a row per second while it warms a stack up and checks [`is_steady`] after each. Ending at the first
//! stable tail follows Georges, Buytaert and Eeckhout, *Statistically rigorous Java performance evaluation* (OOPSLA
//! 2007), §4.2, with two additions: a tail must not drift, and it may scatter as much as a Poisson count of its size. A
//! stack that does not settle within the longest warm-up is measured nevertheless; the record notes *no steady state*.

/// The counts of one second of a warm-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WarmupSecond {
    /// Requests that ended, good or failed.
    pub ended: u64,
    /// The failed ones among them.
    pub failed: u64,
    /// Median service time of the requests that ended, in microseconds.
    pub p50_us: u64,
}

/// The number of seconds at the end that must be alike.
pub const TAIL: usize = 5;

/// The largest coefficient of variation of a steady tail.
const MAX_SCATTER: f64 = 0.05;

/// The largest change along a steady tail, as a fraction of its median.
const MAX_DRIFT: f64 = 0.05;

/// The largest difference between the shares of failed requests in two seconds of a steady tail.
const MAX_FAILING_RANGE: f64 = 0.01;

/// Times are whole microseconds, so a step of one either way is no change.
const TIME_STEP_US: f64 = 2.0;

/// Whether the last [`TAIL`] seconds are alike in the number of requests, their times and their share of failures. Fewer
/// seconds, or a second in which no request ended, are not steady.
#[must_use]
pub fn is_steady(seconds: &[WarmupSecond]) -> bool {
    let Some(tail) = seconds.len().checked_sub(TAIL).map(|from| &seconds[from..]) else { return false };
    if tail.iter().any(|second| second.ended == 0) {
        return false;
    }
    let counts: Vec<f64> = tail.iter().map(|second| second.ended as f64).collect();
    let times: Vec<f64> = tail.iter().map(|second| second.p50_us as f64).collect();
    let failing: Vec<f64> = tail.iter().map(|second| second.failed as f64 / second.ended as f64).collect();
    // A Poisson count scatters by its square root; twice that is rarely exceeded.
    let by_chance = 2.0 * mean(&counts).sqrt();
    is_level(&counts, by_chance) && is_level(&times, TIME_STEP_US) && range(&failing) <= MAX_FAILING_RANGE
}

/// Whether values scatter little around their mean and do not drift; scatter and drift up to `allowed` always pass.
fn is_level(values: &[f64], allowed: f64) -> bool {
    let mean = mean(values);
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (values.len() - 1) as f64;
    let scatters = variance.sqrt() > (MAX_SCATTER * mean).max(allowed);
    let drifts = slope(values).abs() * (values.len() - 1) as f64 > (MAX_DRIFT * mean).max(allowed);
    !scatters && !drifts
}

/// The median of the slopes through every two values (Theil 1950; Sen, JASA 63, 1968), robust against one odd second.
fn slope(values: &[f64]) -> f64 {
    let pairs = (0..values.len()).flat_map(|from| (from + 1..values.len()).map(move |to| (from, to)));
    let slopes: Vec<f64> = pairs.map(|(from, to)| (values[to] - values[from]) / (to - from) as f64).collect();
    crate::sample::median(&slopes).unwrap_or(0.0)
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn range(values: &[f64]) -> f64 {
    let largest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let smallest = values.iter().copied().fold(f64::INFINITY, f64::min);
    largest - smallest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(rows: &[(u64, u64)]) -> Vec<WarmupSecond> {
        rows.iter().map(|&(ended, p50_us)| WarmupSecond { ended, failed: 0, p50_us }).collect()
    }

    #[test]
    fn level_tail_is_steady() {
        let level = [(10_000, 150), (10_100, 149), (9_950, 151), (10_020, 150), (9_990, 150)];
        assert!(is_steady(&seconds(&level)));
        assert!(is_steady(&seconds(&[&[(500, 4000), (7000, 200)], &level[..]].concat())));
        assert!(!is_steady(&seconds(&level[..4])), "too short to tell");
        assert!(!is_steady(&[]));
    }

    #[test]
    fn drifting_tail_is_not_steady() {
        let climbing: Vec<(u64, u64)> = (0..5).map(|second| (10_000 + 200 * second, 150)).collect();
        assert!(!is_steady(&seconds(&climbing)), "two per cent a second are eight over the tail");
        let slowing: Vec<(u64, u64)> = (0..5).map(|second| (1000, 150 + 5 * second)).collect();
        assert!(!is_steady(&seconds(&slowing)), "an open loop keeps its rate while responses get slower");
    }

    #[test]
    fn stalled_second_unsteadies_its_tail() {
        let mut rows = vec![(10_000, 150); 7];
        rows[2] = (4_000, 150);
        assert!(!is_steady(&seconds(&rows[..7])));
        rows.push((10_000, 150));
        assert!(is_steady(&seconds(&rows)));
    }

    #[test]
    fn small_counts_may_scatter() {
        assert!(is_steady(&seconds(&[(50, 900), (58, 901), (44, 899), (53, 900), (47, 900)])));
        assert!(!is_steady(&seconds(&[(50_000, 900), (58_000, 901), (44_000, 899), (53_000, 900), (47_000, 900)])));
    }

    #[test]
    fn short_times_may_step() {
        assert!(is_steady(&seconds(&[(40_000, 20), (40_000, 21), (40_000, 20), (40_000, 21), (40_000, 21)])));
    }

    #[test]
    fn idle_second_or_changing_errors_are_unsteady() {
        assert!(!is_steady(&seconds(&[(100, 9), (100, 9), (0, 0), (100, 9), (100, 9)])));
        let mut failing = seconds(&[(1000, 150); 5]);
        failing[0].failed = 20;
        assert!(!is_steady(&failing));
        failing.iter_mut().for_each(|second| second.failed = 20);
        assert!(is_steady(&failing), "a constant error rate is steady; the ledger reports it");
    }
}
