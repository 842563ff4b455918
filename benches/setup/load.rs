//! What the driver and the statistics work on, for benchmarks of times and of instructions.

use std::num::NonZeroU32;
use std::time::Duration;

use hdrhistogram::Histogram;
use lab_load::wire::{ArrivalProcess, Schedule, Share, Stage, histogram};

pub(crate) const POISSON: ArrivalProcess = ArrivalProcess::Poisson { seed: 2011 };

/// The latencies of 10,000 requests.
pub(crate) fn histogram() -> Histogram<u64> {
    let mut histogram = histogram::empty();
    (0..10_000).for_each(|us| histogram.saturating_record(us * 7));
    histogram
}

/// A ramp of 30,000 requests.
pub(crate) fn schedule(arrivals: ArrivalProcess) -> Schedule {
    let stage = |rate| Stage {
        rate_per_s: NonZeroU32::new(rate).expect("a rate above zero"), // OK because these are
        lasts: Duration::from_secs(10),
    };
    Schedule { stages: vec![stage(500), stage(1000), stage(1500)], arrivals, share: Share::WHOLE }
}

pub(crate) fn log_ratios(rounds: u32) -> Vec<f64> {
    (0..rounds).map(|round| f64::from(round * 7 % 13) / 100.0).collect()
}
