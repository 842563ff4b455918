//! What lab and its driver process say to each other: a plan as one JSON document, then events as JSON lines.
//!
//! Pure. The parent feeds a [`Decoder`] with the lines of the driver's standard output.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::histogram::{self, HistogramError};
use super::ledger::{ErrorClass, Ledger};

/// What a driver is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DrivePlan {
    /// What every request asks for, from `http://` on.
    pub url: String,
    /// Concurrent users.
    pub users: NonZeroU32,
    /// Driven but not measured, counted from the instant at which all users run.
    pub warmup: Duration,
    /// The measured window after it.
    pub window: Duration,
    /// How long one request may take, from connecting to the body's last byte.
    pub timeout: Duration,
}

/// What a driver reports, in this order.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// All users run; the warm-up begins.
    Ready,
    /// The warm-up is over.
    WindowOpened,
    /// The measured window is over.
    WindowClosed,
    /// What it came to. The last event.
    Outcome(Box<DriveOutcome>),
}

/// What a drive came to.
#[derive(Debug, Clone, PartialEq)]
pub struct DriveOutcome {
    /// Every request of the window.
    pub ledger: Ledger,
    /// Connections opened from the first request to the window's end, warm-up included. For a server that keeps
    /// connections alive, one for each user.
    pub connections_opened: u64,
    /// CPU time of the driver itself over the window. It has one thread, so the window is the most it can be.
    pub driver_cpu: Duration,
    /// What was said about the first few failures of the class `client-other`.
    pub unclassified: Vec<String>,
}

/// A document or line that is not part of the protocol.
#[derive(Debug, thiserror::Error)]
pub enum ProtocolError {
    /// Not JSON, or not of this protocol.
    #[error("cannot read {what}")]
    Json {
        /// Which of the two directions.
        what: &'static str,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// An outcome whose histogram cannot be read, or cannot be written.
    #[error(transparent)]
    Histogram(#[from] HistogramError),
    /// An event at the wrong time.
    #[error("the driver reported `{found}`, expected `{expected}`")]
    OutOfOrder {
        /// What came.
        found: &'static str,
        /// What would have been accepted.
        expected: &'static str,
    },
    /// The driver fell silent.
    #[error("the driver ended without reporting `{expected}`")]
    EndedEarly {
        /// What was still to come.
        expected: &'static str,
    },
}

impl DrivePlan {
    /// The plan as the document the driver reads.
    ///
    /// # Errors
    /// None in practice: the document holds nothing that JSON cannot.
    pub fn to_json(&self) -> Result<String, ProtocolError> {
        let wire = PlanWire {
            url: self.url.clone(),
            users: self.users,
            warmup_us: micros(self.warmup),
            window_us: micros(self.window),
            timeout_us: micros(self.timeout),
        };
        serde_json::to_string(&wire).map_err(|source| ProtocolError::Json { what: "the plan", source })
    }

    /// Reads what [`to_json`](Self::to_json) wrote.
    ///
    /// # Errors
    /// Another document.
    pub fn from_json(text: &str) -> Result<DrivePlan, ProtocolError> {
        let wire: PlanWire =
            serde_json::from_str(text).map_err(|source| ProtocolError::Json { what: "the plan", source })?;
        Ok(DrivePlan {
            url: wire.url,
            users: wire.users,
            warmup: Duration::from_micros(wire.warmup_us),
            window: Duration::from_micros(wire.window_us),
            timeout: Duration::from_micros(wire.timeout_us),
        })
    }
}

impl Event {
    /// The name in the protocol.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Event::Ready => "ready",
            Event::WindowOpened => "window-opened",
            Event::WindowClosed => "window-closed",
            Event::Outcome(_) => "outcome",
        }
    }

    /// The event as a line, without its end.
    ///
    /// # Errors
    /// None in practice: see [`histogram::encode`].
    pub fn to_line(&self) -> Result<String, ProtocolError> {
        let wire = match self {
            Event::Ready => EventWire::Ready,
            Event::WindowOpened => EventWire::WindowOpened,
            Event::WindowClosed => EventWire::WindowClosed,
            Event::Outcome(outcome) => EventWire::Outcome(OutcomeWire::from_outcome(outcome)?),
        };
        serde_json::to_string(&wire).map_err(|source| ProtocolError::Json { what: "the driver's event", source })
    }

    fn from_line(line: &str) -> Result<Event, ProtocolError> {
        let wire =
            serde_json::from_str(line).map_err(|source| ProtocolError::Json { what: "the driver's event", source })?;
        Ok(match wire {
            EventWire::Ready => Event::Ready,
            EventWire::WindowOpened => Event::WindowOpened,
            EventWire::WindowClosed => Event::WindowClosed,
            EventWire::Outcome(outcome) => Event::Outcome(Box::new(outcome.into_outcome()?)),
        })
    }
}

/// Reads a driver's lines, each event at its time.
#[derive(Debug, Default)]
pub struct Decoder {
    seen: usize,
}

const ORDER: [&str; 4] = ["ready", "window-opened", "window-closed", "outcome"];
const NOTHING: &str = "nothing more";

impl Decoder {
    /// The event on the next line.
    ///
    /// # Errors
    /// Another line, or an event before or after its time.
    pub fn line(&mut self, line: &str) -> Result<Event, ProtocolError> {
        let event = Event::from_line(line)?;
        let expected = ORDER.get(self.seen).copied().unwrap_or(NOTHING);
        if event.name() != expected {
            return Err(ProtocolError::OutOfOrder { found: event.name(), expected });
        }
        self.seen += 1;
        Ok(event)
    }

    /// To be asked when the driver's output has ended.
    ///
    /// # Errors
    /// The outcome has not been reported; the driver's standard error says why.
    pub fn finish(&self) -> Result<(), ProtocolError> {
        match ORDER.get(self.seen) {
            Some(expected) => Err(ProtocolError::EndedEarly { expected }),
            None => Ok(()),
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PlanWire {
    url: String,
    users: NonZeroU32,
    warmup_us: u64,
    window_us: u64,
    timeout_us: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
enum EventWire {
    Ready,
    WindowOpened,
    WindowClosed,
    Outcome(OutcomeWire),
}

#[derive(Serialize, Deserialize)]
struct OutcomeWire {
    window_us: u64,
    ok: u64,
    failed: BTreeMap<ErrorClass, u64>,
    unfinished: u64,
    body_bytes: u64,
    service_time_us: String,
    connections_opened: u64,
    driver_cpu_us: u64,
    unclassified: Vec<String>,
}

impl OutcomeWire {
    fn from_outcome(outcome: &DriveOutcome) -> Result<OutcomeWire, HistogramError> {
        let ledger = &outcome.ledger;
        Ok(OutcomeWire {
            window_us: micros(ledger.window),
            ok: ledger.ok,
            failed: ledger.failed.clone(),
            unfinished: ledger.unfinished,
            body_bytes: ledger.body_bytes,
            service_time_us: histogram::encode(&ledger.service_time_us)?,
            connections_opened: outcome.connections_opened,
            driver_cpu_us: micros(outcome.driver_cpu),
            unclassified: outcome.unclassified.clone(),
        })
    }

    fn into_outcome(self) -> Result<DriveOutcome, HistogramError> {
        Ok(DriveOutcome {
            ledger: Ledger {
                window: Duration::from_micros(self.window_us),
                ok: self.ok,
                failed: self.failed,
                unfinished: self.unfinished,
                body_bytes: self.body_bytes,
                service_time_us: histogram::decode(&self.service_time_us)?,
            },
            connections_opened: self.connections_opened,
            driver_cpu: Duration::from_micros(self.driver_cpu_us),
            unclassified: self.unclassified,
        })
    }
}

/// More microseconds than fit are half a million years.
fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome() -> DriveOutcome {
        let mut service_time_us = histogram::of_times_us();
        service_time_us.saturating_record(1234);
        DriveOutcome {
            ledger: Ledger {
                window: Duration::from_millis(1500),
                ok: 1,
                failed: BTreeMap::from([(ErrorClass::Status4xx, 3), (ErrorClass::ResetMidBody, 2)]),
                unfinished: 4,
                body_bytes: 5,
                service_time_us,
            },
            connections_opened: 6,
            driver_cpu: Duration::from_micros(987_654),
            unclassified: vec!["odd".into()],
        }
    }

    #[test]
    fn a_plan_survives_the_document() {
        let plan = DrivePlan {
            url: "http://127.0.0.1:8000/pong".into(),
            users: NonZeroU32::new(32).unwrap(),
            warmup: Duration::from_secs(3),
            window: Duration::from_millis(2500),
            timeout: Duration::from_secs(5),
        };
        let json = plan.to_json().unwrap();
        assert_eq!(DrivePlan::from_json(&json).unwrap(), plan);
        insta::assert_snapshot!(json, @r#"{"url":"http://127.0.0.1:8000/pong","users":32,"warmup_us":3000000,"window_us":2500000,"timeout_us":5000000}"#);
    }

    #[test]
    fn other_plans_are_refused() {
        for text in ["", "{}", r#"{"url":"","users":0,"warmup_us":0,"window_us":0,"timeout_us":0}"#] {
            assert!(DrivePlan::from_json(text).is_err(), "{text}");
        }
    }

    #[test]
    fn events_survive_their_lines() {
        let mut decoder = Decoder::default();
        for event in [Event::Ready, Event::WindowOpened, Event::WindowClosed, Event::Outcome(Box::new(outcome()))] {
            let line = event.to_line().unwrap();
            assert!(!line.contains('\n'));
            assert_eq!(decoder.line(&line).unwrap(), event);
        }
        decoder.finish().unwrap();
        let late = decoder.line(r#"{"event":"ready"}"#).unwrap_err();
        assert_eq!(late.to_string(), "the driver reported `ready`, expected `nothing more`");
    }

    #[test]
    fn classes_have_the_names_of_reports() {
        let line = Event::Outcome(Box::new(outcome())).to_line().unwrap();
        assert!(line.contains(r#""failed":{"reset-mid-body":2,"status-4xx":3}"#), "{line}");
    }

    #[test]
    fn events_out_of_order_and_an_early_end_are_errors() {
        let mut decoder = Decoder::default();
        let early = decoder.line(r#"{"event":"window-closed"}"#).unwrap_err();
        assert_eq!(early.to_string(), "the driver reported `window-closed`, expected `ready`");
        decoder.line(r#"{"event":"ready"}"#).unwrap();
        let silent = decoder.finish().unwrap_err();
        assert_eq!(silent.to_string(), "the driver ended without reporting `window-opened`");
        assert!(decoder.line("All 4 users launched.").is_err());
    }
}
