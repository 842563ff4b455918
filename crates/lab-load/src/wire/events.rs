//! The events of a driver, one JSON line each. The parent feeds an [`EventDecoder`] with the lines of the driver's
//! standard output.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::cpu_time::CpuTime;
use super::histogram::HistogramText;
use super::ledger::Ledger;
use super::plan::DrivePlan;
use super::protocol_error::ProtocolError;

/// An event of a driver, in this order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum DriverEvent {
    /// The driver waits for its [`Start`](super::Start). Only where the plan [awaits
    /// it](super::DrivePlan::awaits_start).
    Prepared,
    /// All users run; the warm-up begins.
    Ready {
        /// When the window opens and closes. The driver announces it in advance: a busy driver reports late, and the
        /// parent must read the stack's resource use exactly at both ends. `None` if an external program decides.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        window: Option<WindowEnds>,
    },
    WindowOpened,
    WindowClosed,
    /// The last event.
    Outcome(Box<DriveOutcome>),
}

/// The two ends of a window on the clock that all processes share (`CLOCK_MONOTONIC`, clock_gettime(2)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct WindowEnds {
    /// The first instant of the window.
    #[serde(rename = "opens_us", with = "super::micros")]
    pub opens: Duration,
    /// The first instant after it.
    #[serde(rename = "closes_us", with = "super::micros")]
    pub closes: Duration,
}

/// The result of a drive.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DriveOutcome {
    /// Every request of the window.
    pub ledger: Ledger,
    /// The times of each row of `ledger.seconds`, by which those of several drivers are merged. Only from a driver that
    /// is one of several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub second_times_us: Vec<HistogramText>,
    /// Each step of a journey separately; empty without one.
    pub steps: Vec<StepOutcome>,
    /// Mean pause after a request, as measured; zero except for journeys.
    #[serde(rename = "mean_pause_us", with = "super::micros")]
    pub mean_pause: Duration,
    /// Connections opened from the first request to the window's end, warm-up included. In an open loop also those
    /// opened after the end for requests of the window. In a closed loop on a server that keeps connections alive, one
    /// for each user. `None` if an external driver does not report it.
    pub connections_opened: Option<u64>,
    /// CPU time of the driver itself over the window.
    pub driver_cpu: CpuTime,
    /// Threads of the driver, each on a core of its own: its CPU time is at most this many windows.
    pub driver_threads: u32,
    /// Error messages of the first few `client-other` and TLS failures, whose classes are not specific enough.
    pub unclassified: Vec<String>,
}

/// The result of one step of a journey.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepOutcome {
    pub name: String,
    /// Good responses that ended within the window.
    pub ok: u64,
    /// Errors that ended within it.
    pub failed: u64,
    #[serde(with = "super::histogram::as_text")]
    pub service_time_us: hdrhistogram::Histogram<u64>,
}

impl DriverEvent {
    /// The name in the protocol.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            DriverEvent::Prepared => "prepared",
            DriverEvent::Ready { .. } => "ready",
            DriverEvent::WindowOpened => "window-opened",
            DriverEvent::WindowClosed => "window-closed",
            DriverEvent::Outcome(_) => "outcome",
        }
    }

    /// The event as a line, without the line feed.
    ///
    /// # Errors
    /// None in practice: a histogram of times can always be encoded.
    pub fn to_line(&self) -> Result<String, ProtocolError> {
        serde_json::to_string(self).map_err(|source| ProtocolError::Json { what: "the driver's event", source })
    }

    fn from_line(line: &str) -> Result<DriverEvent, ProtocolError> {
        serde_json::from_str(line).map_err(|source| ProtocolError::Json { what: "the driver's event", source })
    }
}

/// Reads a driver's lines and enforces the order of its events.
#[derive(Debug)]
pub struct EventDecoder {
    seen: usize,
}

/// The names of all events in order. Only a driver that awaits its start reports the first one.
const ORDER: [&str; 5] = ["prepared", "ready", "window-opened", "window-closed", "outcome"];
const NOTHING: &str = "nothing more";

/// For a driver that begins by itself.
impl Default for EventDecoder {
    fn default() -> EventDecoder {
        EventDecoder { seen: 1 }
    }
}

impl EventDecoder {
    /// For the driver that carries out `plan`.
    #[must_use]
    pub fn new(plan: &DrivePlan) -> EventDecoder {
        EventDecoder { seen: usize::from(!plan.awaits_start) }
    }

    /// The event on the next line.
    ///
    /// # Errors
    /// The line is not an event, or the event is out of order.
    pub fn line(&mut self, line: &str) -> Result<DriverEvent, ProtocolError> {
        let event = DriverEvent::from_line(line)?;
        self.check(&event)?;
        Ok(event)
    }

    /// Checks that an event is the next one.
    ///
    /// # Errors
    /// It is out of order.
    pub fn check(&mut self, event: &DriverEvent) -> Result<(), ProtocolError> {
        let expected = ORDER.get(self.seen).copied().unwrap_or(NOTHING);
        if event.name() != expected {
            return Err(ProtocolError::OutOfOrder { found: event.name(), expected });
        }
        self.seen += 1;
        Ok(())
    }

    /// Call it when the driver's output has ended.
    ///
    /// # Errors
    /// The driver has not reported its outcome; its standard error has the reason.
    pub fn finish(&self) -> Result<(), ProtocolError> {
        match ORDER.get(self.seen) {
            Some(expected) => Err(ProtocolError::EndedEarly { expected }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::wire::{ErrorClass, OpenLedger, SecondRow};

    fn outcome() -> DriveOutcome {
        let mut ledger = Ledger::empty(Duration::from_millis(1500));
        ledger.service_time_us.saturating_record(1234);
        ledger.failed = BTreeMap::from([(ErrorClass::Status4xx, 3), (ErrorClass::ResetMidBody, 2)]);
        ledger.seconds = vec![SecondRow { offered: Some(7), ..SecondRow::default() }];
        ledger.open = Some(OpenLedger { scheduled: 9, shed: 1, ..OpenLedger::empty() });
        let service_time_us = ledger.service_time_us.clone();
        DriveOutcome {
            ledger,
            steps: vec![StepOutcome {
                name: "log in".into(),
                ok: 1,
                failed: 0,
                service_time_us: service_time_us.clone(),
            }],
            mean_pause: Duration::from_millis(2),
            connections_opened: Some(6),
            driver_cpu: CpuTime { user: Duration::from_micros(987_654), system: Duration::from_micros(3) },
            driver_threads: 1,
            second_times_us: vec![HistogramText::new(&service_time_us).unwrap()],
            unclassified: vec!["odd".into()],
        }
    }

    #[test]
    fn events_round_trip_through_lines() {
        let mut decoder = EventDecoder::default();
        let ends = WindowEnds { opens: Duration::from_secs(5), closes: Duration::from_millis(7500) };
        let ready = DriverEvent::Ready { window: Some(ends) };
        let outcome = DriverEvent::Outcome(Box::new(outcome()));
        for event in [ready, DriverEvent::WindowOpened, DriverEvent::WindowClosed, outcome] {
            let line = event.to_line().unwrap();
            assert!(!line.contains('\n'));
            assert_eq!(decoder.line(&line).unwrap(), event);
        }
        decoder.finish().unwrap();
        let late = decoder.line(r#"{"event":"ready"}"#).unwrap_err();
        assert_eq!(late.to_string(), "the driver reported `ready`, expected `nothing more`");
    }

    #[test]
    fn error_classes_keep_their_report_names() {
        let line = DriverEvent::Outcome(Box::new(outcome())).to_line().unwrap();
        assert!(line.contains(r#""failed":{"reset-mid-body":2,"status-4xx":3}"#), "{line}");
    }

    #[test]
    fn driver_that_awaits_its_start_is_prepared_first() {
        let shared = r#"{"url":"http://a/","mode":{"closed":{"connections":1}},"warmup_us":0,"window_us":1,"timeout_us":1,"awaits_start":true}"#;
        let mut decoder = EventDecoder::new(&DrivePlan::from_json(shared).unwrap());
        let hasty = decoder.check(&DriverEvent::Ready { window: None }).unwrap_err();
        assert_eq!(hasty.to_string(), "the driver reported `ready`, expected `prepared`");
        decoder.line(r#"{"event":"prepared"}"#).unwrap();
        decoder.line(r#"{"event":"ready"}"#).unwrap();
    }

    #[test]
    fn decoder_refuses_disorder_and_early_end() {
        let mut decoder = EventDecoder::default();
        let early = decoder.line(r#"{"event":"window-closed"}"#).unwrap_err();
        assert_eq!(early.to_string(), "the driver reported `window-closed`, expected `ready`");
        decoder.line(r#"{"event":"ready"}"#).unwrap();
        let silent = decoder.finish().unwrap_err();
        assert_eq!(silent.to_string(), "the driver ended without reporting `window-opened`");
        assert!(decoder.line("All 4 users launched.").is_err());
    }
}
