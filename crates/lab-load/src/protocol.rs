//! What lab and its driver process say to each other: a plan as one JSON document, then events as JSON lines.
//!
//! Pure. The parent feeds a [`Decoder`] with the lines of the driver's standard output.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::cpu_time::CpuTime;
use crate::external::Program;
use crate::journey::Step;
use crate::ledger::Ledger;
use crate::plan::Schedule;

/// What a driver is to do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DrivePlan {
    /// What is asked for, from `http://` on, or from `https://` on if there is `tls`; a journey asks for its own paths
    /// of the same origin.
    pub url: String,
    /// How TLS is spoken, if it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
    /// Which version of HTTP is spoken.
    #[serde(default, skip_serializing_if = "Http::is_usual")]
    pub http: Http,
    /// Who asks, and how.
    pub mode: Mode,
    /// Driven but not measured, counted from the instant at which all users run.
    #[serde(rename = "warmup_us", with = "as_micros")]
    pub warmup: Duration,
    /// The measured window after it.
    #[serde(rename = "window_us", with = "as_micros")]
    pub window: Duration,
    /// How long one request may take, from connecting to the body's last byte.
    #[serde(rename = "timeout_us", with = "as_micros")]
    pub timeout: Duration,
}

/// How TLS is spoken. There is no default for whom to trust: a certificate is never silently left unverified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// Whose certificates are accepted.
    pub trust: Trust,
    /// The name that is asked for (SNI, RFC 6066 section 3), that the certificate must be for, and that requests carry as
    /// their host; `None` is the URL's own host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_name: Option<String>,
}

/// Whose certificates are accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trust {
    /// Those that a certificate in this PEM file vouches for; a self-signed one vouches for itself.
    Ca(PathBuf),
    /// Anybody's.
    Insecure,
}

/// Which version of HTTP is spoken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Http {
    /// HTTP/1.0 as it was before keep-alive: a connection for each request, which is closed when it is answered.
    #[serde(rename = "1.0")]
    OneZero,
    /// HTTP/1.1.
    #[default]
    #[serde(rename = "1.1")]
    OneOne,
    /// HTTP/2: over TLS by ALPN, else with prior knowledge (RFC 9113 section 3).
    #[serde(rename = "2")]
    Two {
        /// Requests that each connection may have under way at once. Where the server allows fewer, the others wait
        /// within the client, as a browser's do, and their waiting is part of their service time.
        streams: NonZeroU32,
    },
}

impl Http {
    /// Requests that a connection may have under way at once.
    #[must_use]
    pub fn streams(self) -> NonZeroU32 {
        match self {
            Http::OneZero | Http::OneOne => NonZeroU32::MIN,
            Http::Two { streams } => streams,
        }
    }

    /// For serde: what is left out of a document.
    fn is_usual(&self) -> bool {
        *self == Http::OneOne
    }
}

/// Who asks, and how.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Closed loop on goose: each user asks, waits for the answer, and asks again.
    Goose {
        /// Concurrent users.
        users: NonZeroU32,
        /// What each user does, over and over; empty is one GET of the URL.
        steps: Vec<Step>,
    },
    /// Closed loop on lab's own client, as lean as it can be.
    Closed {
        /// Connections, each with one request under way at a time; over HTTP/2 with as many as it has streams.
        connections: NonZeroU32,
    },
    /// Open loop: requests arrive by a schedule, whatever the stack does.
    Open(OpenPlan),
    /// A program that is not lab's own.
    External {
        /// Which one, with its settings.
        program: Program,
    },
}

/// An open loop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenPlan {
    /// When requests arrive: the warm-up and then the window.
    pub schedule: Schedule,
    /// What an arrival is.
    pub arrival: Arrival,
    /// Arrivals that may be under way or waiting at once; one beyond is shed.
    pub most_open: NonZeroU32,
    /// How the driver waits for an instant.
    pub timer: TimerKind,
}

/// What an arrival is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Arrival {
    /// A client: it connects, makes so many calls one after the other, and closes (httperf's `--num-calls`). Over HTTP/2
    /// as well: a session is a connection, and has one stream at a time.
    Session {
        /// Calls of each session.
        calls: NonZeroU32,
    },
    /// A request over one of so many kept-alive connections, as soon as one is free; over HTTP/2 a stream of one.
    Pooled {
        /// Connections, opened when they are first needed.
        connections: NonZeroU32,
    },
}

/// How the driver waits for an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TimerKind {
    /// With the kernel's timers; late by what a wake-up takes.
    Timerfd,
    /// With the kernel's timers until shortly before, then by looking at the clock; keeps the core busy.
    Spin,
}

/// What a driver reports, in this order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// All users run; the warm-up begins.
    Ready {
        /// When the window opens and closes, told beforehand, so that whoever reads the stack's use at its ends need not
        /// wait for a busy driver to say that it is time. `None` if a program that is not lab's own decides.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        window: Option<Ends>,
    },
    /// The warm-up is over.
    WindowOpened,
    /// The measured window is over.
    WindowClosed,
    /// What it came to. The last event.
    Outcome(Box<DriveOutcome>),
}

/// The two ends of a window on the clock that all processes share (`CLOCK_MONOTONIC`, clock_gettime(2)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ends {
    /// Its first instant.
    #[serde(rename = "opens_us", with = "as_micros")]
    pub opens: Duration,
    /// The first instant behind it.
    #[serde(rename = "closes_us", with = "as_micros")]
    pub closes: Duration,
}

/// What a drive came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DriveOutcome {
    /// Every request of the window.
    pub ledger: Ledger,
    /// Each step of a journey apart; empty without one.
    pub steps: Vec<StepOutcome>,
    /// Mean pause behind a request, as long as it was; zero but for journeys.
    #[serde(rename = "mean_pause_us", with = "as_micros")]
    pub mean_pause: Duration,
    /// Connections opened from the first request to the window's end, warm-up included; in an open loop those of the
    /// window's requests that came after its end as well. For a closed loop on a server that keeps connections alive,
    /// one for each user. `None` if an external driver does not tell.
    pub connections_opened: Option<u64>,
    /// CPU time of the driver itself over the window.
    pub driver_cpu: CpuTime,
    /// Threads of the driver, each with a core of its own: so many windows are the most its CPU time can be.
    pub driver_threads: u32,
    /// What was said about the first few failures of `client-other` and of TLS, whose classes do not say all.
    pub unclassified: Vec<String>,
}

/// What one step of a journey came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepOutcome {
    /// Its name.
    pub name: String,
    /// Good answers that ended within the window.
    pub ok: u64,
    /// Errors that ended within it.
    pub failed: u64,
    /// Service time in microseconds.
    #[serde(with = "crate::histogram::as_text")]
    pub service_time_us: hdrhistogram::Histogram<u64>,
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
        serde_json::to_string(self).map_err(|source| ProtocolError::Json { what: "the plan", source })
    }

    /// Reads what [`to_json`](Self::to_json) wrote.
    ///
    /// # Errors
    /// Another document.
    pub fn from_json(text: &str) -> Result<DrivePlan, ProtocolError> {
        serde_json::from_str(text).map_err(|source| ProtocolError::Json { what: "the plan", source })
    }
}

impl Event {
    /// The name in the protocol.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Event::Ready { .. } => "ready",
            Event::WindowOpened => "window-opened",
            Event::WindowClosed => "window-closed",
            Event::Outcome(_) => "outcome",
        }
    }

    /// The event as a line, without its end.
    ///
    /// # Errors
    /// None in practice: a histogram of times can always be written.
    pub fn to_line(&self) -> Result<String, ProtocolError> {
        serde_json::to_string(self).map_err(|source| ProtocolError::Json { what: "the driver's event", source })
    }

    fn from_line(line: &str) -> Result<Event, ProtocolError> {
        serde_json::from_str(line).map_err(|source| ProtocolError::Json { what: "the driver's event", source })
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

/// Times as whole microseconds.
pub(super) mod as_micros {
    use std::time::Duration;

    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        // More microseconds than fit are half a million years.
        serializer.serialize_u64(u64::try_from(time.as_micros()).unwrap_or(u64::MAX))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_micros)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::ledger::{ErrorClass, OpenLedger};
    use crate::plan::{Arrivals, Stretch};
    use crate::seconds::SecondRow;

    fn outcome() -> DriveOutcome {
        let mut ledger = Ledger::empty(Duration::from_millis(1500));
        ledger.service_time_us.saturating_record(1234);
        ledger.failed = BTreeMap::from([(ErrorClass::Status4xx, 3), (ErrorClass::ResetMidBody, 2)]);
        ledger.seconds = vec![SecondRow { offered: Some(7), ..SecondRow::default() }];
        ledger.open = Some(OpenLedger { scheduled: 9, shed: 1, ..OpenLedger::empty() });
        let service_time_us = ledger.service_time_us.clone();
        DriveOutcome {
            ledger,
            steps: vec![StepOutcome { name: "log in".into(), ok: 1, failed: 0, service_time_us }],
            mean_pause: Duration::from_millis(2),
            connections_opened: Some(6),
            driver_cpu: CpuTime { user: Duration::from_micros(987_654), system: Duration::from_micros(3) },
            driver_threads: 1,
            unclassified: vec!["odd".into()],
        }
    }

    fn goose() -> DrivePlan {
        DrivePlan {
            url: "http://127.0.0.1:8000/pong".into(),
            tls: None,
            http: Http::OneOne,
            mode: Mode::Goose { users: NonZeroU32::new(32).unwrap(), steps: Vec::new() },
            warmup: Duration::from_secs(3),
            window: Duration::from_millis(2500),
            timeout: Duration::from_secs(5),
        }
    }

    #[test]
    fn a_plan_survives_the_document() {
        let json = goose().to_json().unwrap();
        assert_eq!(DrivePlan::from_json(&json).unwrap(), goose());
        insta::assert_snapshot!(json, @r#"{"url":"http://127.0.0.1:8000/pong","mode":{"goose":{"users":32,"steps":[]}},"warmup_us":3000000,"window_us":2500000,"timeout_us":5000000}"#);
        let stretch = Stretch { rate_per_s: NonZeroU32::MIN, lasts: Duration::from_secs(1) };
        let schedule = Schedule { stretches: vec![stretch], arrivals: Arrivals::Poisson { seed: u64::MAX } };
        let open = OpenPlan {
            schedule,
            arrival: Arrival::Session { calls: NonZeroU32::MIN },
            most_open: NonZeroU32::MIN,
            timer: TimerKind::Spin,
        };
        let tls = Tls { trust: Trust::Ca("/site.pem".into()), server_name: Some("example.org".to_owned()) };
        let http = Http::Two { streams: NonZeroU32::MIN };
        let open = DrivePlan { tls: Some(tls), http, mode: Mode::Open(open), ..goose() };
        assert_eq!(DrivePlan::from_json(&open.to_json().unwrap()).unwrap(), open);
    }

    #[test]
    fn other_plans_are_refused() {
        let no_users = goose().to_json().unwrap().replace("32", "0");
        for text in ["", "{}", &no_users] {
            assert!(DrivePlan::from_json(text).is_err(), "{text}");
        }
    }

    #[test]
    fn events_survive_their_lines() {
        let mut decoder = Decoder::default();
        let ends = Ends { opens: Duration::from_secs(5), closes: Duration::from_millis(7500) };
        let ready = Event::Ready { window: Some(ends) };
        for event in [ready, Event::WindowOpened, Event::WindowClosed, Event::Outcome(Box::new(outcome()))] {
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
