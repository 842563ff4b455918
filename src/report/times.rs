//! Response times at one rate of a ramp, over rounds: what they were; or, where the driver was late, what they were at
//! most, for its lag is part of them.

use std::fmt;

use super::numbers::micros;
use crate::record::{Distribution, RateMeasured};
use lab_stats::sample::median;

/// How a bound is to be read, where one is shown.
pub(super) const BOUND: &str = "≤: the driver was itself late, and its lag is part of that time";

/// A percentile of the response time: its median over rounds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Seen {
    us: f64,
    /// Whether the driver's lag is part of it.
    pub(super) is_bound: bool,
}

impl Seen {
    /// Over the rounds in which the driver was in time; where there is none, over all of them, as a bound. `None` where
    /// nothing was answered.
    pub(super) fn of<'a>(
        rounds: impl Iterator<Item = &'a RateMeasured> + Clone,
        percentile: fn(&Distribution) -> u64,
    ) -> Option<Seen> {
        let in_time: Vec<f64> =
            rounds.clone().filter_map(|rate| rate.time_of_the_stack_us(percentile)).map(|us| us as f64).collect();
        if let Some(us) = median(&in_time) {
            return Some(Seen { us, is_bound: false });
        }
        let all: Vec<f64> = rounds.filter_map(|rate| Some(percentile(rate.response_time.as_ref()?) as f64)).collect();
        median(&all).map(|us| Seen { us, is_bound: true })
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_bound {
            f.write_str("≤ ")?;
        }
        f.write_str(&micros(self.us))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn rate(time_us: Option<u64>, lag_us: u64) -> RateMeasured {
        let all = |us: u64| {
            let (mean_us, histogram) = (us as f64, String::new());
            Distribution { mean_us, p50_us: us, p90_us: us, p99_us: us, p999_us: us, max_us: us, histogram }
        };
        RateMeasured {
            rate_per_s: 1,
            lasts_us: 1_000_000,
            scheduled: 1,
            ok: 1,
            failed: BTreeMap::new(),
            shed: 0,
            unsent: 0,
            answered: 1,
            response_time: time_us.map(all),
            lag: Some(all(lag_us)),
            took_us: None,
            shortfall: None,
        }
    }

    fn shown(rounds: &[RateMeasured]) -> String {
        Seen::of(rounds.iter(), |times| times.p50_us).map_or_else(|| "none".to_owned(), |seen| seen.to_string())
    }

    #[test]
    fn a_late_driver_makes_a_time_a_bound_unless_it_was_in_time_once() {
        let (late, in_time, nothing) = (rate(Some(3_000), 2_500), rate(Some(500), 20), rate(None, 20));
        assert_eq!(shown(&[in_time.clone(), in_time.clone()]), "500 µs");
        assert_eq!(shown(&[late.clone(), in_time, nothing.clone()]), "500 µs");
        assert_eq!(shown(&[late, nothing.clone()]), "≤ 3.00 ms");
        assert_eq!(shown(&[nothing]), "none");
    }
}
