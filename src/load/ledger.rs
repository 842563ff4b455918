//! The ledger of a load: every request ends in exactly one place.
//!
//! Pure: drivers fill it, statistics and reports read it.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// How a request failed. The names are those of records and reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorClass {
    /// The connection was refused.
    ConnectRefused,
    /// Reset while connecting.
    ResetConnecting,
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
    /// A complete answer with a 4xx status.
    #[serde(rename = "status-4xx")]
    Status4xx,
    /// A complete answer with a 5xx status.
    #[serde(rename = "status-5xx")]
    Status5xx,
    /// A complete answer that a check of the load refuses.
    CheckFailed,
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
            ErrorClass::ResetBeforeFirstByte => "reset-before-first-byte",
            ErrorClass::ResetMidBody => "reset-mid-body",
            ErrorClass::TimeoutConnect => "timeout-connect",
            ErrorClass::TimeoutFirstByte => "timeout-first-byte",
            ErrorClass::TimeoutBody => "timeout-body",
            ErrorClass::PrematureEof => "premature-eof",
            ErrorClass::Protocol => "protocol",
            ErrorClass::Status4xx => "status-4xx",
            ErrorClass::Status5xx => "status-5xx",
            ErrorClass::CheckFailed => "check-failed",
            ErrorClass::ClientFdUnavailable => "client-fd-unavailable",
            ErrorClass::ClientNoFreePort => "client-no-free-port",
            ErrorClass::ClientOther => "client-other",
        }
    }

    /// Whether the client itself is at fault, which voids the round.
    #[must_use]
    pub fn voids_the_round(self) -> bool {
        matches!(self, ErrorClass::ClientFdUnavailable | ErrorClass::ClientNoFreePort | ErrorClass::ClientOther)
    }
}

/// What one measured window came to.
#[derive(Debug, Clone, PartialEq)]
pub struct Ledger {
    /// The measured window, from the end of the warm-up.
    pub window: Duration,
    /// Complete answers (2xx or 3xx, body read to its end) that ended within the window.
    pub ok: u64,
    /// Requests that ended within the window in an error, by class.
    pub failed: BTreeMap<ErrorClass, u64>,
    /// Requests still under way when the window ended; neither good nor bad.
    pub unfinished: u64,
    /// Bytes of the bodies of `ok` answers.
    pub body_bytes: u64,
    /// Service time of every request that ended within the window, failed ones included, in microseconds.
    pub service_time_us: Histogram<u64>,
}

impl Ledger {
    /// Requests that ended in an error.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.failed.values().sum()
    }

    /// Good answers per second of the window.
    #[must_use]
    pub fn throughput_per_s(&self) -> f64 {
        self.ok as f64 / self.window.as_secs_f64()
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
            ErrorClass::ResetBeforeFirstByte,
            ErrorClass::ResetMidBody,
            ErrorClass::TimeoutConnect,
            ErrorClass::TimeoutFirstByte,
            ErrorClass::TimeoutBody,
            ErrorClass::PrematureEof,
            ErrorClass::Protocol,
            ErrorClass::Status4xx,
            ErrorClass::Status5xx,
            ErrorClass::CheckFailed,
            ErrorClass::ClientFdUnavailable,
            ErrorClass::ClientNoFreePort,
            ErrorClass::ClientOther,
        ];
        for class in classes {
            assert_eq!(serde_json::to_value(class).unwrap(), class.name());
        }
    }
}
