//! The plan of a drive: what a driver process reads on its standard input.

use std::fmt;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::journey::Step;
use super::protocol_error::ProtocolError;
use super::schedule::{Schedule, Stage};

/// The instructions of a driver.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DrivePlan {
    /// `http://…`, or `https://…` if there is `tls`. A journey requests its own paths of the same origin.
    pub url: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
    #[serde(default, skip_serializing_if = "Http::is_default")]
    pub http: Http,
    pub mode: Mode,
    /// Driven but not measured, counted from the instant at which all users run.
    #[serde(rename = "warmup_us", with = "super::micros")]
    pub warmup: Duration,
    /// The measured window after the warm-up.
    #[serde(rename = "window_us", with = "super::micros")]
    pub window: Duration,
    /// The limit for one request, from connecting to the body's last byte.
    #[serde(rename = "timeout_us", with = "super::micros")]
    pub timeout: Duration,
    /// Whether the driver, once it is prepared, waits for a [`Start`](super::Start): several drivers then begin at one
    /// instant.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub awaits_start: bool,
}

/// How TLS is spoken. Trust has no default: a certificate is never silently left unverified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    pub trust: Trust,
    /// The name sent as SNI (RFC 6066 section 3) and as the requests' host; the certificate must be for it. `None` is
    /// the host of the URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_name: Option<String>,
}

/// Which certificates are accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trust {
    /// Those issued by a certificate in this PEM file; a self-signed one vouches for itself.
    Ca(PathBuf),
    /// Any.
    Insecure,
}

/// The version of HTTP.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Http {
    /// HTTP/1.0 without keep-alive: one connection for each request, closed after the response.
    #[serde(rename = "1.0")]
    OneZero,
    #[default]
    #[serde(rename = "1.1")]
    OneOne,
    /// HTTP/2: by ALPN over TLS, otherwise with prior knowledge (RFC 9113 section 3).
    #[serde(rename = "2")]
    Two {
        /// Concurrent requests of each connection. If the server allows fewer, the others wait within the client, as in
        /// a browser, and their waiting is part of their service time.
        streams: NonZeroU32,
    },
}

impl fmt::Display for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TLS")?;
        if let Some(name) = &self.server_name {
            write!(f, " to {name}")?;
        }
        match &self.trust {
            Trust::Ca(file) => write!(f, ", trusting {}", file.file_name().unwrap_or_default().display()),
            Trust::Insecure => f.write_str(", trusting anybody"),
        }
    }
}

impl Http {
    /// Concurrent requests of each connection.
    #[must_use]
    pub fn streams(self) -> NonZeroU32 {
        match self {
            Http::OneZero | Http::OneOne => NonZeroU32::MIN,
            Http::Two { streams } => streams,
        }
    }

    /// For serde: the default is left out of the document.
    fn is_default(&self) -> bool {
        *self == Http::default()
    }
}

/// Which driver, with its settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Closed loop on goose: each user sends a request, waits for the response, and sends the next.
    Goose {
        /// Concurrent users.
        users: NonZeroU32,
        /// What each user does, over and over; empty is one GET of the URL.
        steps: Vec<Step>,
    },
    /// Closed loop on lab's own client, as lean as possible.
    Closed {
        /// Connections, each with one request under way at a time; over HTTP/2 one for each stream.
        connections: NonZeroU32,
    },
    /// Open loop: requests arrive by a schedule, whatever the stack does.
    Open(OpenPlan),
    /// An external program.
    External { program: Program },
}

/// An open loop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenPlan {
    /// When requests arrive: the warm-up and then the window.
    pub schedule: Schedule,
    pub arrival: Arrival,
    /// Arrivals that may be under way or waiting at once; the driver sheds any beyond.
    pub max_open: NonZeroU32,
    pub timer: TimerKind,
}

/// What an arrival does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Arrival {
    /// A client that connects, makes `calls` requests one after the other, and closes (httperf's `--num-calls`). Over
    /// HTTP/2 too, a session is a connection with one stream at a time.
    Session { calls: NonZeroU32 },
    /// A request over the next free one of `connections` kept-alive connections; over HTTP/2 over one of their streams.
    Pooled {
        /// Each is opened when it is first needed.
        connections: NonZeroU32,
    },
}

/// How the driver waits for an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TimerKind {
    /// With the kernel's timers; late by the time of a wake-up.
    Timerfd,
    /// With the kernel's timers until shortly before, then by polling the clock, which keeps the core busy.
    Spin,
}

/// An external program, with the settings that only it has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Program {
    /// An open loop of sessions, <https://github.com/httperf/httperf>. It knows one rate: each rate of a ramp is a
    /// separate run, which ends with its last response, and the warm-up is one more run at the first rate.
    Httperf {
        /// Sessions per second; together the stages are as long as the window.
        rates: Vec<Stage>,
        /// Requests of each session.
        calls: NonZeroU32,
        /// Exponentially distributed gaps between sessions, from httperf's own generator, which draws the same gaps in
        /// every run.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        is_poisson: bool,
    },
    /// A closed loop, <https://github.com/wg/wrk>.
    Wrk { connections: NonZeroU32 },
    /// A closed loop, <https://nghttp2.org/documentation/h2load-howto.html>; the only one that speaks HTTP/2.
    H2load { connections: NonZeroU32 },
}

impl Mode {
    /// The driver's name in scenarios.
    #[must_use]
    pub fn driver(&self) -> &'static str {
        match self {
            Mode::Goose { .. } => "goose",
            Mode::Closed { .. } => "closed",
            Mode::Open(_) => "open",
            Mode::External { program } => program.name(),
        }
    }
}

impl Program {
    /// The command.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Program::Httperf { .. } => "httperf",
            Program::Wrk { .. } => "wrk",
            Program::H2load { .. } => "h2load",
        }
    }
}

impl DrivePlan {
    /// The plan as the document the driver reads.
    ///
    /// # Errors
    /// None in practice: the document holds nothing that JSON cannot.
    pub fn to_json(&self) -> Result<String, ProtocolError> {
        serde_json::to_string(self).map_err(|source| ProtocolError::Json { what: "the plan", source })
    }

    /// Reads the output of [`to_json`](Self::to_json).
    ///
    /// # Errors
    /// The text is not a plan.
    pub fn from_json(text: &str) -> Result<DrivePlan, ProtocolError> {
        serde_json::from_str(text).map_err(|source| ProtocolError::Json { what: "the plan", source })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{ArrivalProcess, Share};

    fn goose() -> DrivePlan {
        DrivePlan {
            url: "http://127.0.0.1:8000/pong".into(),
            tls: None,
            http: Http::OneOne,
            mode: Mode::Goose { users: NonZeroU32::new(32).unwrap(), steps: Vec::new() },
            warmup: Duration::from_secs(3),
            window: Duration::from_millis(2500),
            timeout: Duration::from_secs(5),
            awaits_start: false,
        }
    }

    #[test]
    fn plans_round_trip_through_json() {
        let json = goose().to_json().unwrap();
        assert_eq!(DrivePlan::from_json(&json).unwrap(), goose());
        insta::assert_snapshot!(json, @r#"{"url":"http://127.0.0.1:8000/pong","mode":{"goose":{"users":32,"steps":[]}},"warmup_us":3000000,"window_us":2500000,"timeout_us":5000000}"#);
        let stage = Stage { rate_per_s: NonZeroU32::MIN, lasts: Duration::from_secs(1) };
        let arrivals = ArrivalProcess::Poisson { seed: u64::MAX };
        let share = Share::all(NonZeroU32::new(2).unwrap()).last().unwrap();
        let schedule = Schedule { stages: vec![stage], arrivals, share };
        let open = OpenPlan {
            schedule,
            arrival: Arrival::Session { calls: NonZeroU32::MIN },
            max_open: NonZeroU32::MIN,
            timer: TimerKind::Spin,
        };
        let tls = Tls { trust: Trust::Ca("/site.pem".into()), server_name: Some("example.org".to_owned()) };
        let http = Http::Two { streams: NonZeroU32::MIN };
        let open = DrivePlan { tls: Some(tls), http, mode: Mode::Open(open), awaits_start: true, ..goose() };
        assert_eq!(DrivePlan::from_json(&open.to_json().unwrap()).unwrap(), open);
    }

    #[test]
    fn other_documents_are_refused() {
        let no_users = goose().to_json().unwrap().replace("32", "0");
        for text in ["", "{}", &no_users] {
            assert!(DrivePlan::from_json(text).is_err(), "{text}");
        }
    }
}
