//! The part of a measured window that only an open loop has.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::distribution::Distribution;
use super::micros::micros;
use lab_load::accounting::audit;
use lab_load::wire::{ErrorClass, OpenLedger, RateLedger, Shortfall};

/// An [`OpenLedger`] with its times summarised: `scheduled` is the sum of `ok`, `failed`, `shed` and `unsent`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OpenMeasured {
    /// The seed of this block's arrivals, from the scenario's seed and the block; `None` if they are not random.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// Requests scheduled within the window.
    pub scheduled: u64,
    /// Of these, refused by the driver because too many were open.
    pub shed: u64,
    /// Of these, never sent.
    pub unsent: u64,
    /// From the scheduled instant to the end: the time that a client would have seen.
    pub response_time: Option<Distribution>,
    /// The driver's own delay.
    pub lag: Option<Distribution>,
    pub connect_time: Option<Distribution>,
    /// Service time of a session's second and later calls.
    pub later_calls: Option<Distribution>,
    /// A ramp's rates in order; empty where there is only one rate.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rates: Vec<RateMeasured>,
}

/// A [`RateLedger`] with its times summarised: the requests scheduled while a ramp had one of its rates, whenever they
/// ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RateMeasured {
    /// Arrivals per second.
    pub rate_per_s: u32,
    /// The part of the window that has this rate.
    pub lasts_us: u64,
    pub scheduled: u64,
    pub ok: u64,
    pub failed: BTreeMap<ErrorClass, u64>,
    pub shed: u64,
    pub unsent: u64,
    /// Complete good responses that ended while the ramp had this rate, whenever they were requested.
    pub answered: u64,
    pub response_time: Option<Distribution>,
    pub lag: Option<Distribution>,
    /// From the first arrival to the end of the last request, where each rate is a separate run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub took_us: Option<u64>,
    /// Why fewer requests were sent than the rate demands, if a driver without lag reports it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shortfall: Option<Shortfall>,
}

impl OpenMeasured {
    pub(super) fn from_ledger(ledger: &OpenLedger) -> OpenMeasured {
        OpenMeasured {
            seed: None,
            scheduled: ledger.scheduled,
            shed: ledger.shed,
            unsent: ledger.unsent,
            response_time: Distribution::from_histogram(&ledger.response_time_us),
            lag: Distribution::from_histogram(&ledger.lag_us),
            connect_time: Distribution::from_histogram(&ledger.connect_time_us),
            later_calls: Distribution::from_histogram(&ledger.later_calls_us),
            rates: ledger.rates.iter().map(RateMeasured::from_ledger).collect(),
        }
    }

    pub(super) fn distributions_mut(&mut self) -> impl Iterator<Item = &mut Option<Distribution>> {
        let OpenMeasured { response_time, lag, connect_time, later_calls, rates, .. } = self;
        let rates = rates.iter_mut().flat_map(|rate| [&mut rate.response_time, &mut rate.lag]);
        [response_time, lag, connect_time, later_calls].into_iter().chain(rates)
    }
}

impl RateMeasured {
    /// Exhaustive, so that a new count of the ledger cannot be forgotten.
    fn from_ledger(ledger: &RateLedger) -> RateMeasured {
        let RateLedger {
            rate_per_s,
            lasts,
            scheduled,
            ok,
            failed,
            shed,
            unsent,
            answered,
            response_time_us,
            lag_us,
            took_us,
            shortfall,
        } = ledger;
        RateMeasured {
            rate_per_s: rate_per_s.get(),
            lasts_us: micros(*lasts),
            scheduled: *scheduled,
            ok: *ok,
            failed: failed.clone(),
            shed: *shed,
            unsent: *unsent,
            answered: *answered,
            response_time: Distribution::from_histogram(response_time_us),
            lag: Distribution::from_histogram(lag_us),
            took_us: *took_us,
            shortfall: *shortfall,
        }
    }

    /// Whether the driver fell behind, so that it did not offer the rate.
    #[must_use]
    pub fn fell_behind(&self) -> bool {
        self.shortfall.is_some() || self.lag.as_ref().is_some_and(|lag| lag.p99_us > audit::BEHIND_LIMIT_US)
    }

    /// A percentile of the response times; `None` if the driver's lag at that percentile is more than a millisecond and
    /// more than a tenth of it.
    #[must_use]
    pub fn response_time_us(&self, percentile: fn(&Distribution) -> u64) -> Option<u64> {
        let time_us = percentile(self.response_time.as_ref()?);
        let late_us = self.lag.as_ref().map_or(0, percentile);
        (late_us <= audit::LATE_LIMIT_US || late_us <= time_us / 10).then_some(time_us)
    }

    /// Good responses per second of the rate. Where the rate was a separate run that took longer, per second of that run:
    /// draining a queue after the last arrival is not throughput.
    #[must_use]
    pub fn answered_per_s(&self) -> f64 {
        self.answered as f64 * 1e6 / self.lasts_us.max(self.took_us.unwrap_or(0)) as f64
    }

    #[must_use]
    pub fn scheduled_per_s(&self) -> f64 {
        self.scheduled as f64 * 1e6 / self.lasts_us as f64
    }
}
