//! The ledger of a load: every request ends in exactly one place.
//!
//! Pure: drivers fill it, statistics and reports read it.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::histogram;
use crate::seconds::SecondRow;

/// How a request failed. The names are those of records and reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorClass {
    /// The connection was refused.
    ConnectRefused,
    /// Reset while connecting.
    ResetConnecting,
    /// The server did not come through the TLS handshake, or does not speak the version of HTTP that was asked for (ALPN).
    TlsHandshake,
    /// The server's certificate is not one to trust: not vouched for, for another name, or out of its time.
    TlsCertificate,
    /// Reset after the request was sent, before the first byte of the answer.
    ResetBeforeFirstByte,
    /// Reset within the body.
    ResetMidBody,
    /// No connection within the timeout.
    TimeoutConnect,
    /// No first byte within the timeout.
    TimeoutFirstByte,
    /// No end of the body within the timeout.
    TimeoutBody,
    /// The connection was closed before the answer was complete.
    PrematureEof,
    /// The answer was not HTTP.
    Protocol,
    /// HTTP/2: the server ends the connection in good order, or has enough streams, and has not looked at this one
    /// (RFC 9113 section 8.7). A browser would ask again; a load does not, so as to hide nothing. nginx does so with what
    /// is under way when a connection has had `keepalive_requests`.
    StreamRefused,
    /// A complete answer with a 4xx status.
    #[serde(rename = "status-4xx")]
    Status4xx,
    /// A complete answer with a 5xx status.
    #[serde(rename = "status-5xx")]
    Status5xx,
    /// A complete answer that a check of the load refuses.
    CheckFailed,
    /// No connection; an external driver does not say why.
    ConnectFailed,
    /// Reset; an external driver does not say when.
    Reset,
    /// Not done within the timeout; an external driver does not say how far it came.
    Timeout,
    /// Reset, closed too early, or not HTTP; an external driver does not say which.
    Broken,
    /// A complete answer with a 4xx or 5xx status; an external driver does not say which.
    StatusError,
    /// The client's own fault: no file descriptor left. Voids the round.
    ClientFdUnavailable,
    /// The client's own fault: no local port left. Voids the round.
    ClientNoFreePort,
    /// Nothing of the above; the driver's log says what. Voids the round.
    ClientOther,
}

impl ErrorClass {
    /// The name in records, reports and snapshots; the same as serde's.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            ErrorClass::ConnectRefused => "connect-refused",
            ErrorClass::ResetConnecting => "reset-connecting",
            ErrorClass::TlsHandshake => "tls-handshake",
            ErrorClass::TlsCertificate => "tls-certificate",
            ErrorClass::ResetBeforeFirstByte => "reset-before-first-byte",
            ErrorClass::ResetMidBody => "reset-mid-body",
            ErrorClass::TimeoutConnect => "timeout-connect",
            ErrorClass::TimeoutFirstByte => "timeout-first-byte",
            ErrorClass::TimeoutBody => "timeout-body",
            ErrorClass::PrematureEof => "premature-eof",
            ErrorClass::Protocol => "protocol",
            ErrorClass::StreamRefused => "stream-refused",
            ErrorClass::Status4xx => "status-4xx",
            ErrorClass::Status5xx => "status-5xx",
            ErrorClass::CheckFailed => "check-failed",
            ErrorClass::ConnectFailed => "connect-failed",
            ErrorClass::Reset => "reset",
            ErrorClass::Timeout => "timeout",
            ErrorClass::Broken => "broken",
            ErrorClass::StatusError => "status-error",
            ErrorClass::ClientFdUnavailable => "client-fd-unavailable",
            ErrorClass::ClientNoFreePort => "client-no-free-port",
            ErrorClass::ClientOther => "client-other",
        }
    }

    /// Whether the answer was complete, and it is only its status that makes it a failure.
    #[must_use]
    pub fn is_of_a_status(self) -> bool {
        matches!(self, ErrorClass::Status4xx | ErrorClass::Status5xx)
    }

    /// Whether the client itself is at fault, which voids the round.
    #[must_use]
    pub fn voids_the_round(self) -> bool {
        matches!(self, ErrorClass::ClientFdUnavailable | ErrorClass::ClientNoFreePort | ErrorClass::ClientOther)
    }
}

/// What one measured window came to.
///
/// Closed loop: a request belongs to the window in which it *ends*. Open loop: it belongs to the window in which it
/// was *scheduled*, whenever it ends, and every one of them ends somewhere (see [`Ledger::adds_up`]).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ledger {
    /// The measured window, from the end of the warm-up.
    #[serde(rename = "window_us", with = "crate::protocol::as_micros")]
    pub window: Duration,
    /// Complete answers (2xx or 3xx, body read to its end).
    pub ok: u64,
    /// Requests that ended in an error, by class.
    pub failed: BTreeMap<ErrorClass, u64>,
    /// Requests of a closed loop still under way when the window ended; neither good nor bad.
    pub unfinished: u64,
    /// Good answers that ended within the window, whenever they were asked for: what throughput and cost per request
    /// are of. In a closed loop the same as `ok`.
    pub answered: u64,
    /// Bytes of the bodies of `ok` answers; `None` if an external driver does not tell.
    pub body_bytes: Option<u64>,
    /// Service time in microseconds, from the send to the last byte of the body, of every good answer. Of the calls of a
    /// session only the first; empty where an external driver does not tell single times, and wrk's holds failed ones as
    /// well.
    #[serde(with = "histogram::as_text")]
    pub service_time_us: Histogram<u64>,
    /// The same of every request that was sent and failed, apart: a server that refuses at once would else look fast, and
    /// one that hangs slow, by requests that it served nobody with. A timeout counts as long as it was waited for.
    #[serde(with = "histogram::as_text")]
    pub failed_time_us: Histogram<u64>,
    /// The window's seconds, one after the other; the last may be a part of one. Empty where a driver keeps none.
    pub seconds: Vec<SecondRow>,
    /// What only an open loop has.
    pub open: Option<OpenLedger>,
}

/// The open loop's part of a ledger: what was offered, and the times that begin before the send.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OpenLedger {
    /// Requests the schedule asked for within the window.
    pub scheduled: u64,
    /// Of these, refused by the driver because too many were open already.
    pub shed: u64,
    /// Of these, never sent: the session had failed before, or no connection was free within the timeout.
    pub unsent: u64,
    /// From the scheduled instant to the end, in microseconds: of every arrival but those that were shed. One that was
    /// never sent, or not answered within the timeout, counts as long as it was waited for.
    #[serde(with = "histogram::as_text")]
    pub response_time_us: Histogram<u64>,
    /// From the scheduled instant to the driver's first act for it, in microseconds: how late the driver was. Waiting for
    /// the stack to free a connection is not part of it.
    #[serde(with = "histogram::as_text")]
    pub lag_us: Histogram<u64>,
    /// Time to connect in microseconds, of every connection that came about for requests of the window.
    #[serde(with = "histogram::as_text")]
    pub connect_time_us: Histogram<u64>,
    /// Service time of a session's second and later calls, in microseconds; good answers only.
    #[serde(with = "histogram::as_text")]
    pub later_calls_us: Histogram<u64>,
    /// A ramp's rates, one after the other; empty where the window has one rate only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rates: Vec<RateLedger>,
}

/// Why a program that tells no lag did not ask for what a rate says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shortfall {
    /// It had no descriptor left for some of its connections (httperf's are those of `FD_SETSIZE`, 1024).
    OutOfDescriptors,
    /// It had no local port left for some of its connections.
    OutOfPorts,
    /// It began some of its connections too late.
    Late,
}

/// What was scheduled while a ramp had one of its rates, whenever it ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RateLedger {
    /// Arrivals per second.
    pub rate_per_s: NonZeroU32,
    /// For how long, within the window.
    #[serde(rename = "lasts_us", with = "crate::protocol::as_micros")]
    pub lasts: Duration,
    /// Requests the schedule asked for.
    pub scheduled: u64,
    /// Of these, complete good answers.
    pub ok: u64,
    /// Of these, ended in an error, by class.
    pub failed: BTreeMap<ErrorClass, u64>,
    /// Of these, refused by the driver because too many were open already.
    pub shed: u64,
    /// Of these, never sent.
    pub unsent: u64,
    /// Complete good answers that ended while the ramp had this rate, whenever they were asked for: what the stack got
    /// done in that time. What queues up is answered later, so `ok` is no measure of it.
    pub answered: u64,
    /// As in [`OpenLedger::response_time_us`].
    #[serde(with = "histogram::as_text")]
    pub response_time_us: Histogram<u64>,
    /// As in [`OpenLedger::lag_us`].
    #[serde(with = "histogram::as_text")]
    pub lag_us: Histogram<u64>,
    /// From the first arrival to the end of the last request, in microseconds, where each rate is a run of its own that
    /// waits for its last answer; `None` where one rate follows on the other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub took_us: Option<u64>,
    /// Why less was asked for than the rate says, if a program that tells no lag says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shortfall: Option<Shortfall>,
}

impl RateLedger {
    /// Nothing was offered.
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
            response_time_us: histogram::of_times_us(),
            lag_us: histogram::of_times_us(),
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
    /// A ledger of nothing.
    #[must_use]
    pub fn empty(window: Duration) -> Ledger {
        Ledger {
            window,
            ok: 0,
            failed: BTreeMap::new(),
            unfinished: 0,
            answered: 0,
            body_bytes: Some(0),
            service_time_us: histogram::of_times_us(),
            failed_time_us: histogram::of_times_us(),
            seconds: Vec::new(),
            open: None,
        }
    }

    /// Requests that ended in an error.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.failed.values().sum()
    }

    /// Good answers per second of the window.
    #[must_use]
    pub fn throughput_per_s(&self) -> f64 {
        self.answered as f64 / self.window.as_secs_f64()
    }

    /// Whether every request of an open loop ended in exactly one place; a closed loop schedules nothing.
    #[must_use]
    pub fn adds_up(&self) -> bool {
        self.open
            .as_ref()
            .is_none_or(|open| open.scheduled == self.ok + self.failures() + open.shed + open.unsent + self.unfinished)
    }

    /// Adds what another thread of the same driver counted in the same window. Seconds are merged elsewhere.
    pub fn add(&mut self, other: &Ledger) {
        self.ok += other.ok;
        add_counts(&mut self.failed, &other.failed);
        self.unfinished += other.unfinished;
        self.answered += other.answered;
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
    /// Nothing was offered.
    #[must_use]
    pub fn empty() -> OpenLedger {
        OpenLedger {
            scheduled: 0,
            shed: 0,
            unsent: 0,
            response_time_us: histogram::of_times_us(),
            lag_us: histogram::of_times_us(),
            connect_time_us: histogram::of_times_us(),
            later_calls_us: histogram::of_times_us(),
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
    fn names_are_those_of_serde() {
        let classes = [
            ErrorClass::ConnectRefused,
            ErrorClass::ResetConnecting,
            ErrorClass::TlsHandshake,
            ErrorClass::TlsCertificate,
            ErrorClass::ResetBeforeFirstByte,
            ErrorClass::ResetMidBody,
            ErrorClass::TimeoutConnect,
            ErrorClass::TimeoutFirstByte,
            ErrorClass::TimeoutBody,
            ErrorClass::PrematureEof,
            ErrorClass::Protocol,
            ErrorClass::StreamRefused,
            ErrorClass::Status4xx,
            ErrorClass::Status5xx,
            ErrorClass::CheckFailed,
            ErrorClass::ConnectFailed,
            ErrorClass::Reset,
            ErrorClass::Timeout,
            ErrorClass::Broken,
            ErrorClass::StatusError,
            ErrorClass::ClientFdUnavailable,
            ErrorClass::ClientNoFreePort,
            ErrorClass::ClientOther,
        ];
        for class in classes {
            assert_eq!(serde_json::to_value(class).unwrap(), class.name());
        }
    }

    #[test]
    fn threads_are_added_up() {
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
