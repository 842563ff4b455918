//! Loads: how a stack is driven.

use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

use lab_load::wire::Stage;

use super::TextTemplate;

pub use lab_load::wire::{
    Arrival, ArrivalProcess, Extraction, Http, StepText, TextPiece, TimerKind, Tls, Trust, ValueSource,
};

/// One request of a journey. Its rules hold the placeholders of checks.
pub type Step = lab_load::wire::Step<TextTemplate>;

/// What a step's response must be.
pub type StepExpectation = lab_load::wire::StepExpectation<TextTemplate>;

/// How a stack is driven.
#[derive(Debug, Clone)]
pub struct Load {
    /// Unique within the scenario.
    pub name: String,
    /// Which driver, with its own settings.
    pub driver: Driver,
    /// The request target asked for, from `/` on; a journey's steps have their own.
    pub path: String,
    /// How TLS is spoken, if it is; the stack is then asked where it listens with TLS.
    pub tls: Option<Tls>,
    /// Which version of HTTP is spoken.
    pub http: Http,
    /// The measured window, after the warm-up.
    pub duration: Duration,
    /// How long one request may take before it is recorded as a client timeout.
    pub timeout: Duration,
    /// What requests that fail are.
    pub errors: OnErrors,
    /// The load that this one cross-validates: it asks for the same by another driver, and is neither ranked nor gated.
    pub validates: Option<String>,
    /// The stacks that are driven, by name; `None` is all that are measured.
    pub stacks: Option<Vec<String>>,
    /// The most blocks in which it is driven; `None` is all.
    pub blocks: Option<NonZeroU32>,
}

impl Load {
    /// Whether a measured stack of this name is driven.
    #[must_use]
    pub fn drives(&self, stack: &str) -> bool {
        self.stacks.as_ref().is_none_or(|stacks| stacks.iter().any(|name| name == stack))
    }

    /// In how many blocks it is driven, of so many.
    #[must_use]
    pub fn blocks_of(&self, all: u32) -> u32 {
        self.blocks.map_or(all, |most| most.get().min(all))
    }
}

/// What requests that fail under a load are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnErrors {
    /// A failure of the run, and a fact of its snapshot.
    #[default]
    Fail,
    /// Counted, and nothing more: the load is meant to go past what a stack can answer.
    Count,
}

/// A load driver and its settings.
#[derive(Debug, Clone)]
pub enum Driver {
    /// Closed loop: each user asks, waits for the answer, and asks again.
    Goose {
        /// Concurrent users.
        users: NonZeroU32,
        /// What each user asks, in order and over and over; empty is the load's path.
        steps: Vec<Step>,
    },
    /// Closed loop on lab's own client.
    Closed {
        /// Connections, each with one request under way at a time.
        connections: NonZeroU32,
    },
    /// Open loop: requests arrive at a rate, whatever the stack does.
    Open(OpenLoop),
    /// A program that is not lab's own.
    External(External),
}

/// A load driver that is not lab's own, and its settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum External {
    /// httperf: an open loop of sessions.
    Httperf {
        /// Sessions per second; each rate of a ramp is a run of its own.
        rate: Rate,
        /// Calls of each session.
        calls: NonZeroU32,
        /// Whether they come as independent clients do, by httperf's own generator; else evenly spaced.
        is_poisson: bool,
    },
    /// wrk: a closed loop.
    Wrk {
        /// Connections.
        connections: NonZeroU32,
    },
    /// h2load: a closed loop.
    H2load {
        /// Connections.
        connections: NonZeroU32,
    },
}

/// An open loop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenLoop {
    /// Arrivals per second.
    pub rate: Rate,
    /// How they lie within the time.
    pub arrivals: ArrivalProcess,
    /// What an arrival is.
    pub arrival: Arrival,
    /// Arrivals that may be under way or waiting at once; one beyond is shed.
    pub max_open: NonZeroU32,
    /// How the driver waits for an instant.
    pub timer: TimerKind,
}

/// Arrivals per second.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rate {
    /// The same all the time.
    Constant(NonZeroU32),
    /// One after the other, up or down.
    Ramp {
        /// The rates; two or more.
        rates: Vec<NonZeroU32>,
        /// How long each lasts.
        hold: Duration,
    },
}

impl Rate {
    /// The rates with their durations; a constant one lasts for `duration`.
    #[must_use]
    pub fn stages(&self, duration: Duration) -> Vec<Stage> {
        match self {
            Rate::Constant(rate) => vec![Stage { rate_per_s: *rate, lasts: duration }],
            Rate::Ramp { rates, hold } => rates.iter().map(|rate| Stage { rate_per_s: *rate, lasts: *hold }).collect(),
        }
    }
}

impl Driver {
    /// What an open loop asks for; `None` for a closed one.
    #[must_use]
    pub fn rate(&self) -> Option<&Rate> {
        match self {
            Driver::Open(OpenLoop { rate, .. }) | Driver::External(External::Httperf { rate, .. }) => Some(rate),
            Driver::Goose { .. } | Driver::Closed { .. } | Driver::External(_) => None,
        }
    }

    /// The name in scenario files.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Driver::Goose { .. } => "goose",
            Driver::Closed { .. } => "closed",
            Driver::Open(_) => "open",
            Driver::External(External::Httperf { .. }) => "httperf",
            Driver::External(External::Wrk { .. }) => "wrk",
            Driver::External(External::H2load { .. }) => "h2load",
        }
    }
}

impl fmt::Display for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, ", self.name())?;
        match self {
            Driver::Goose { users, .. } => counted(f, *users, "user"),
            Driver::Closed { connections }
            | Driver::External(External::Wrk { connections } | External::H2load { connections }) => {
                counted(f, *connections, "connection")
            }
            Driver::Open(open) => write!(f, "{open}"),
            Driver::External(External::Httperf { rate, calls, is_poisson }) => {
                write_rate(f, rate, "sessions/s")?;
                f.write_str(" of ")?;
                counted(f, *calls, "call")?;
                f.write_str(if *is_poisson { ", Poisson" } else { "" })
            }
        }
    }
}

/// More rates than these are shown by the first two and the last.
const SHOWN_RATES: usize = 12;

impl fmt::Display for OpenLoop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.arrival {
            Arrival::Session { .. } => "sessions/s",
            Arrival::Pooled { .. } => "requests/s",
        };
        write_rate(f, &self.rate, what)?;
        match self.arrival {
            Arrival::Session { calls } => {
                f.write_str(" of ")?;
                counted(f, calls, "call")?;
            }
            Arrival::Pooled { connections } => {
                f.write_str(" over ")?;
                counted(f, connections, "connection")?;
            }
        }
        match self.arrivals {
            ArrivalProcess::Uniform => f.write_str(", evenly spaced")?,
            ArrivalProcess::Poisson { seed } => write!(f, ", Poisson seeded with {seed}")?,
        }
        write!(f, ", at most {} open", self.max_open)?;
        match self.timer {
            TimerKind::Timerfd => Ok(()),
            TimerKind::Spin => f.write_str(", spinning"),
        }
    }
}

fn write_rate(f: &mut fmt::Formatter<'_>, rate: &Rate, what: &str) -> fmt::Result {
    match rate {
        Rate::Constant(rate) => write!(f, "{rate} {what}"),
        Rate::Ramp { rates, hold } => {
            let all = rates.iter().map(ToString::to_string);
            let all: Vec<_> = match rates.len() {
                ..=SHOWN_RATES => all.collect(),
                more => all.clone().take(2).chain(["…".to_owned()]).chain(all.skip(more - 1)).collect(),
            };
            write!(f, "{} {what}, each for {} s,", all.join(", "), hold.as_secs_f64())
        }
    }
}

fn counted(f: &mut fmt::Formatter<'_>, count: NonZeroU32, what: &str) -> fmt::Result {
    write!(f, "{count} {what}{}", if count.get() == 1 { "" } else { "s" })
}
