//! Growth: what a stack holds more of with every request, as leaks do.

use serde::{Deserialize, Serialize};

use super::gate::ValueInterval;
use crate::measure::footprint::Footprint;
use crate::scenario::model::Growth;
use lab_stats::trend;

/// What a component held more of with each request of a window: the slope of its curve over the requests that had ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct GrowthRates {
    /// Bytes per request, as for all of these.
    pub memory_bytes: Option<f64>,
    pub descriptors: Option<f64>,
    pub threads: Option<f64>,
    /// Established connections to the component's address; `None` where the kernel does not report them.
    pub connections: Option<f64>,
}

impl GrowthRates {
    /// The rates of a curve, given the number of requests that had ended at each instant in microseconds. `None` if the
    /// curve is too short.
    #[must_use]
    pub fn from_curve(curve: &[Footprint], ended: impl Fn(u64) -> f64) -> Option<GrowthRates> {
        let slope = |held: &dyn Fn(&Footprint) -> Option<u64>| {
            let points: Option<Vec<(f64, f64)>> =
                curve.iter().map(|sample| Some((ended(sample.at_us), held(sample)? as f64))).collect();
            trend::slope(&points?)
        };
        let rates = GrowthRates {
            memory_bytes: slope(&|sample| Some(sample.memory().bytes())),
            descriptors: slope(&|sample| Some(sample.open_fds)),
            threads: slope(&|sample| Some(sample.threads)),
            connections: slope(&|sample| sample.connections),
        };
        rates.memory_bytes.map(|_| rates)
    }

    #[must_use]
    pub fn get(&self, growth: Growth) -> Option<f64> {
        match growth {
            Growth::Memory => self.memory_bytes,
            Growth::Descriptors => self.descriptors,
            Growth::Threads => self.threads,
            Growth::Connections => self.connections,
        }
    }
}

/// The growth of one stack under one load, over its valid rounds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GrowthEstimate {
    pub load: String,
    pub stack: String,
    /// The name of the growth, as in scenario files.
    pub metric: String,
    /// The number of valid rounds.
    pub rounds: usize,
    /// Bytes or a count, per request: the Hodges-Lehmann estimate.
    pub per_request: f64,
    /// `None` with too few rounds.
    pub interval: Option<ValueInterval>,
    /// How it differs from the earlier version of the stack, in a comparison of versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<GrowthChange>,
}

/// The growth of a stack less that of its earlier version, from the blocks in which both have a valid round.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct GrowthChange {
    pub per_request: f64,
    pub interval: Option<ValueInterval>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_per_request() {
        // 1000 requests per second, 2 KiB each; one descriptor in 500 requests.
        let curve: Vec<Footprint> = (0..9_u64)
            .map(|sample| Footprint {
                at_us: sample * 250_000,
                rss_bytes: 80_000_000 + sample * 250 * 2048,
                open_fds: 10 + sample / 2,
                threads: 4,
                ..Footprint::default()
            })
            .collect();
        let rates = GrowthRates::from_curve(&curve, |at_us| at_us as f64 / 1000.0).unwrap();
        assert_eq!(rates.get(Growth::Memory), Some(2048.0));
        assert_eq!(rates.get(Growth::Descriptors), Some(0.002));
        assert_eq!((rates.get(Growth::Threads), rates.get(Growth::Connections)), (Some(0.0), None));
        assert_eq!(GrowthRates::from_curve(&curve[..1], |at_us| at_us as f64), None);
    }
}
