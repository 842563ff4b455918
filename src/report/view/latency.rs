//! Response times at one rate of a ramp, over all rounds. Where the driver was late, its lag is part of the measured time,
//! so the time is only an upper bound.

use std::fmt;

use crate::record::{Distribution, RateMeasured};
use crate::report::numbers::micros;
use lab_stats::sample::median;

/// Explains the `≤` of a cell.
pub const UPPER_BOUND_NOTE: &str = "≤: the driver was late, and the time includes its lag";

/// The median over rounds of one percentile of the response time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LatencyCell {
    us: f64,
    /// Whether the driver's lag is part of the time.
    pub is_upper_bound: bool,
}

impl LatencyCell {
    /// Uses the rounds in which the driver was in time; if there are none, all rounds, as an upper bound. `None` if no
    /// request got a response.
    pub fn from_rates<'a>(
        rounds: impl Iterator<Item = &'a RateMeasured> + Clone,
        percentile: fn(&Distribution) -> u64,
    ) -> Option<LatencyCell> {
        let in_time: Vec<f64> =
            rounds.clone().filter_map(|rate| rate.response_time_us(percentile)).map(|us| us as f64).collect();
        if let Some(us) = median(&in_time) {
            return Some(LatencyCell { us, is_upper_bound: false });
        }
        let all: Vec<f64> = rounds.filter_map(|rate| Some(percentile(rate.response_time.as_ref()?) as f64)).collect();
        median(&all).map(|us| LatencyCell { us, is_upper_bound: true })
    }
}

impl fmt::Display for LatencyCell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_upper_bound {
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
        LatencyCell::from_rates(rounds.iter(), |times| times.p50_us)
            .map_or_else(|| "none".to_owned(), |seen| seen.to_string())
    }

    #[test]
    fn late_driver_turns_times_into_upper_bounds() {
        let (late, in_time, nothing) = (rate(Some(3_000), 2_500), rate(Some(500), 20), rate(None, 20));
        assert_eq!(shown(&[in_time.clone(), in_time.clone()]), "500 µs");
        assert_eq!(shown(&[late.clone(), in_time, nothing.clone()]), "500 µs");
        assert_eq!(shown(&[late, nothing.clone()]), "≤ 3.00 ms");
        assert_eq!(shown(&[nothing]), "none");
    }
}
