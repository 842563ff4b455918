//! A ramp: at each of its rates what was offered, what was answered, and the errors by class.

use std::collections::BTreeMap;

use serde::Serialize;

use super::rounds::valid_rounds;
use crate::record::{RateMeasured, Record};
use lab_stats::sample::median;

/// The requests that the driver refused to send, and those that it never sent.
const SHED: &str = "shed";
const UNSENT: &str = "unsent";

/// The ramp of one stack.
#[derive(Debug, Serialize)]
pub struct Ramp {
    pub stack: String,
    pub rates: Vec<RampRate>,
}

/// One rate: medians over the valid rounds in which the driver kept up, per second.
#[derive(Debug, Serialize)]
pub struct RampRate {
    pub offered_per_s: f64,
    pub answered_per_s: f64,
    /// The means over the same rounds, by class.
    pub errors_per_s: BTreeMap<String, f64>,
}

/// The ramps of `stacks`; empty if the load is none. Rates that the driver never kept up with are left out.
#[must_use]
pub fn ramps(record: &Record, load: &str, stacks: &[&str]) -> Vec<Ramp> {
    let ramp = |stack: &&str| {
        let rounds = valid_rounds(record, load, stack);
        let rounds: Vec<&[RateMeasured]> =
            rounds.into_iter().filter_map(|one| Some(one.open.as_deref()?.rates.as_slice())).collect();
        let count = rounds.iter().copied().map(<[_]>::len).max().unwrap_or(0);
        let rates = (0..count).filter_map(|index| {
            let at_rate = rounds.iter().filter_map(|rates| rates.get(index)).filter(|rate| !rate.fell_behind());
            RampRate::new(&at_rate.collect::<Vec<_>>())
        });
        Ramp { stack: (*stack).to_owned(), rates: rates.collect() }
    };
    stacks.iter().map(ramp).filter(|ramp| !ramp.rates.is_empty()).collect()
}

impl RampRate {
    /// `None` without a round.
    fn new(rounds: &[&RateMeasured]) -> Option<RampRate> {
        let median_of =
            |value: fn(&RateMeasured) -> f64| median(&rounds.iter().map(|rate| value(rate)).collect::<Vec<_>>());
        let mut errors_per_s = BTreeMap::new();
        for rate in rounds {
            let failed = rate.failed.iter().map(|(class, count)| (class.name(), *count));
            for (class, count) in failed.chain([(SHED, rate.shed), (UNSENT, rate.unsent)]).filter(|(_, n)| *n > 0) {
                let per_s = count as f64 * 1e6 / rate.lasts_us.max(1) as f64;
                *errors_per_s.entry(class.to_owned()).or_insert(0.0) += per_s / rounds.len() as f64;
            }
        }
        Some(RampRate {
            offered_per_s: median_of(RateMeasured::scheduled_per_s)?,
            answered_per_s: median_of(RateMeasured::answered_per_s)?,
            errors_per_s,
        })
    }
}
