//! The ledger of a load: it counts every request under exactly one heading.
//!
//! Pure: drivers fill it, statistics and reports read it.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use super::error_class::ErrorClass;
use super::histogram;
use super::seconds::SecondRow;

/// The counts and times of one measured window.
///
/// In a closed loop a request belongs to the window in which it *ends*. In an open loop it belongs to the window in
/// which it was *scheduled*, whenever it ends, and each is counted under one heading (see [`Ledger::adds_up`]).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ledger {
    /// The measured window, from the end of the warm-up.
    #[serde(rename = "window_us", with = "super::micros")]
    pub window: Duration,
    /// Complete good responses (2xx or 3xx, body read to its end).
    pub ok: u64,
    /// Requests that ended in an error, by class.
    pub failed: BTreeMap<ErrorClass, u64>,
    /// Requests of a closed loop that were under way when the window ended; neither good nor failed.
    pub unfinished: u64,
    /// Good responses that ended within the window, whenever they were requested: the basis of throughput and cost per
    /// request. In a closed loop the same as `ok`.
    pub answered: u64,
    /// Responses of which an external driver does not tell whether they were cut. Some drivers count those as good, and
    /// others as unfinished.
    #[serde(default)]
    pub possibly_cut: u64,
    /// Bytes of the bodies of `ok` responses; `None` if an external driver does not report them.
    pub body_bytes: Option<u64>,
    /// Service time in microseconds of every good response, from the send to the last byte of the body. Of a session
    /// only the first call. Empty where an external driver reports no distribution; wrk's includes failed requests.
    #[serde(with = "histogram::as_text")]
    pub service_time_us: Histogram<u64>,
    /// The same of every request that was sent and failed. Kept separately, or a server that refuses at once would look
    /// fast and one that hangs slow, by requests it did not serve. A timeout counts with the time waited.
    #[serde(with = "histogram::as_text")]
    pub failed_time_us: Histogram<u64>,
    /// The window's seconds in order; the last may be partial. Empty where a driver keeps none.
    pub seconds: Vec<SecondRow>,
    pub open: Option<OpenLedger>,
}

/// The open loop's part of a ledger: the offered load, and the times that begin before the send.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OpenLedger {
    /// Requests scheduled within the window.
    pub scheduled: u64,
    /// Of these, refused by the driver because too many were open already.
    pub shed: u64,
    /// Of these, never sent: the session had failed before, or no connection was free within the timeout.
    pub unsent: u64,
    /// From the scheduled instant to the end, in microseconds, of every arrival except those shed. One that was never
    /// sent, or timed out, counts with the time waited.
    #[serde(with = "histogram::as_text")]
    pub response_time_us: Histogram<u64>,
    /// The driver's own delay: from the scheduled instant until it acts, in microseconds. It excludes the
    /// wait for a free connection.
    #[serde(with = "histogram::as_text")]
    pub lag_us: Histogram<u64>,
    /// Time to connect in microseconds, of every connection opened for requests of the window.
    #[serde(with = "histogram::as_text")]
    pub connect_time_us: Histogram<u64>,
    /// Service time of a session's second and later calls, in microseconds; good responses only.
    #[serde(with = "histogram::as_text")]
    pub later_calls_us: Histogram<u64>,
    /// A ramp's rates in order; empty where the window has only one rate.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rates: Vec<RateLedger>,
}

/// Why an external program, which reports no lag, missed a rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shortfall {
    /// It had no file descriptor left for some of its connections (httperf can use `FD_SETSIZE`, 1024).
    OutOfDescriptors,
    /// It had no local port left for some of its connections.
    OutOfPorts,
    /// It opened some of its connections too late.
    Late,
}

/// The requests scheduled while a ramp had one of its rates, whenever they ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RateLedger {
    /// Arrivals per second.
    pub rate_per_s: NonZeroU32,
    /// The part of the window that has this rate.
    #[serde(rename = "lasts_us", with = "super::micros")]
    pub lasts: Duration,
    pub scheduled: u64,
    /// Of these, complete good responses.
    pub ok: u64,
    /// Of these, ended in an error, by class.
    pub failed: BTreeMap<ErrorClass, u64>,
    /// Of these, refused by the driver because too many were open already.
    pub shed: u64,
    /// Of these, never sent.
    pub unsent: u64,
    /// Complete good responses that ended while the ramp had this rate, whenever they were requested: the stack's
    /// throughput in that time. `ok` is no measure of it, because queued requests are served later.
    pub answered: u64,
    /// As in [`OpenLedger::response_time_us`].
    #[serde(with = "histogram::as_text")]
    pub response_time_us: Histogram<u64>,
    /// As in [`OpenLedger::lag_us`].
    #[serde(with = "histogram::as_text")]
    pub lag_us: Histogram<u64>,
    /// From the first arrival to the end of the last request, in microseconds, where each rate is a separate run that
    /// waits for its last response; `None` where one rate follows the other without a break.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub took_us: Option<u64>,
    /// Why fewer requests were sent than the rate demands, if an external program reports it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shortfall: Option<Shortfall>,
}

impl RateLedger {
    #[must_use]
    pub fn empty(rate_per_s: NonZeroU32, lasts: Duration) -> RateLedger {
        RateLedger {
            rate_per_s,
            lasts,
            scheduled: 0,
            ok: 0,
            failed: BTreeMap::new(),
            shed: 0,
            unsent: 0,
            answered: 0,
            response_time_us: histogram::empty(),
            lag_us: histogram::empty(),
            took_us: None,
            shortfall: None,
        }
    }

    fn add(&mut self, other: &RateLedger) {
        self.scheduled += other.scheduled;
        self.ok += other.ok;
        add_counts(&mut self.failed, &other.failed);
        self.shed += other.shed;
        self.unsent += other.unsent;
        self.answered += other.answered;
        histogram::add(&mut self.response_time_us, &other.response_time_us);
        histogram::add(&mut self.lag_us, &other.lag_us);
    }
}

fn add_counts(sum: &mut BTreeMap<ErrorClass, u64>, other: &BTreeMap<ErrorClass, u64>) {
    for (class, count) in other {
        *sum.entry(*class).or_default() += count;
    }
}

impl Ledger {
    #[must_use]
    pub fn empty(window: Duration) -> Ledger {
        Ledger {
            window,
            ok: 0,
            failed: BTreeMap::new(),
            unfinished: 0,
            answered: 0,
            possibly_cut: 0,
            body_bytes: Some(0),
            service_time_us: histogram::empty(),
            failed_time_us: histogram::empty(),
            seconds: Vec::new(),
            open: None,
        }
    }

    #[must_use]
    pub fn failures(&self) -> u64 {
        self.failed.values().sum()
    }

    /// Good responses per second of the window.
    #[must_use]
    pub fn throughput_per_s(&self) -> f64 {
        self.answered as f64 / self.window.as_secs_f64()
    }

    /// Whether every request of an open loop is counted under exactly one heading; a closed loop schedules nothing.
    #[must_use]
    pub fn adds_up(&self) -> bool {
        self.open
            .as_ref()
            .is_none_or(|open| open.scheduled == self.ok + self.failures() + open.shed + open.unsent + self.unfinished)
    }

    /// Adds the counts of another thread of the same driver for the same window. The seconds are merged in a
    /// [`SecondsTable`](crate::accounting::SecondsTable).
    pub fn add(&mut self, other: &Ledger) {
        self.ok += other.ok;
        add_counts(&mut self.failed, &other.failed);
        self.unfinished += other.unfinished;
        self.answered += other.answered;
        self.possibly_cut += other.possibly_cut;
        self.body_bytes = self.body_bytes.zip(other.body_bytes).map(|(one, other)| one + other);
        histogram::add(&mut self.service_time_us, &other.service_time_us);
        histogram::add(&mut self.failed_time_us, &other.failed_time_us);
        match (&mut self.open, &other.open) {
            (Some(open), Some(other)) => open.add(other),
            (open @ None, Some(other)) => *open = Some(other.clone()),
            (_, None) => {}
        }
    }
}

impl OpenLedger {
    #[must_use]
    pub fn empty() -> OpenLedger {
        OpenLedger {
            scheduled: 0,
            shed: 0,
            unsent: 0,
            response_time_us: histogram::empty(),
            lag_us: histogram::empty(),
            connect_time_us: histogram::empty(),
            later_calls_us: histogram::empty(),
            rates: Vec::new(),
        }
    }

    fn add(&mut self, other: &OpenLedger) {
        self.scheduled += other.scheduled;
        self.shed += other.shed;
        self.unsent += other.unsent;
        histogram::add(&mut self.response_time_us, &other.response_time_us);
        histogram::add(&mut self.lag_us, &other.lag_us);
        histogram::add(&mut self.connect_time_us, &other.connect_time_us);
        histogram::add(&mut self.later_calls_us, &other.later_calls_us);
        // the threads of a driver share one schedule, so they have the same rates
        for (rate, other) in self.rates.iter_mut().zip(&other.rates) {
            rate.add(other);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ledgers_of_threads_add_up() {
        let mut one = Ledger::empty(Duration::from_secs(1));
        one.service_time_us.record(5).unwrap();
        one.failed = BTreeMap::from([(ErrorClass::Status4xx, 1)]);
        let mut two =
            Ledger { ok: 3, open: Some(OpenLedger { scheduled: 9, shed: 2, ..OpenLedger::empty() }), ..one.clone() };
        two.failed.insert(ErrorClass::TimeoutBody, 1);
        two.add(&one);
        two.add(&two.clone());
        assert_eq!((two.ok, two.failures(), two.service_time_us.len()), (6, 6, 4));
        let open = two.open.as_ref().unwrap();
        assert_eq!((open.scheduled, open.shed), (18, 4));
        assert!(!two.adds_up(), "2 of 18 are nowhere");
        two.open = Some(OpenLedger { unsent: 2, ..open.clone() });
        assert!(two.adds_up());
    }
}
