//! Loads: how a stack is driven.

use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

use lab_load::wire::Stage;

use super::TextTemplate;

pub use lab_load::wire::{
    Arrival, ArrivalProcess, Extraction, Http, StepText, TextPiece, TimerKind, Tls, Trust, ValueSource,
};

/// One request of a journey. Its rules may have the placeholders of checks.
pub type Step = lab_load::wire::Step<TextTemplate>;

pub type StepExpectation = lab_load::wire::StepExpectation<TextTemplate>;

#[derive(Debug, Clone)]
pub struct Load {
    /// Unique within the scenario.
    pub name: String,
    pub driver: Driver,
    /// The request target; a journey's steps have their own.
    pub path: String,
    /// `None` is without TLS. With TLS the load uses the stack's TLS listener.
    pub tls: Option<Tls>,
    pub http: Http,
    /// The measured window, after the warm-up.
    pub duration: Duration,
    /// How long one request may take before it is recorded as a client timeout.
    pub timeout: Duration,
    pub errors: OnErrors,
    /// The load that this one cross-validates with another driver. It is neither ranked nor gated.
    pub validates: Option<String>,
    /// The stacks to drive, by name; `None` is every measured stack.
    pub stacks: Option<Vec<String>>,
    /// The maximum number of blocks that include this load; `None` is all.
    pub blocks: Option<NonZeroU32>,
}

impl Load {
    /// Whether the load drives the measured stack of this name.
    #[must_use]
    pub fn drives(&self, stack: &str) -> bool {
        self.stacks.as_ref().is_none_or(|stacks| stacks.iter().any(|name| name == stack))
    }

    /// The number of blocks, of `all`, that include this load.
    #[must_use]
    pub fn blocks_of(&self, all: u32) -> u32 {
        self.blocks.map_or(all, |most| most.get().min(all))
    }
}

/// How failed requests are treated.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnErrors {
    /// They fail the run, and are facts of its snapshot.
    #[default]
    Fail,
    /// They are only counted, because the load exceeds a stack's capacity on purpose.
    Count,
}

/// A load driver and its settings.
#[derive(Debug, Clone)]
pub enum Driver {
    /// Closed loop: each user sends a request only after the response to the last one.
    Goose {
        users: NonZeroU32,
        /// The requests of each user, in order and repeatedly; if empty, requests for the load's path.
        steps: Vec<Step>,
    },
    /// Closed loop on lab's own client.
    Closed {
        /// Each with one request at a time.
        connections: NonZeroU32,
    },
    /// Open loop: requests arrive at a rate that does not depend on the stack.
    Open(OpenLoop),
    External(External),
}

/// A load driver that is an external program, and its settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum External {
    /// httperf: an open loop of sessions.
    Httperf {
        /// Sessions per second; each rate of a ramp is a separate run.
        rate: Rate,
        /// Calls of each session.
        calls: NonZeroU32,
        /// Poisson arrivals from httperf's own generator, as opposed to evenly spaced ones.
        is_poisson: bool,
    },
    /// wrk: a closed loop.
    Wrk { connections: NonZeroU32 },
    /// h2load: a closed loop.
    H2load { connections: NonZeroU32 },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenLoop {
    pub rate: Rate,
    pub arrivals: ArrivalProcess,
    pub arrival: Arrival,
    /// The maximum number of arrivals under way or waiting; further ones are shed.
    pub max_open: NonZeroU32,
    pub timer: TimerKind,
}

/// Arrivals per second.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rate {
    Constant(NonZeroU32),
    /// Ascending or descending.
    Ramp {
        /// Two or more.
        rates: Vec<NonZeroU32>,
        /// How long each rate lasts.
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
    /// The rate of an open loop; `None` for a closed one.
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

/// Longer ramps are shown by their first two rates and the last one.
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
