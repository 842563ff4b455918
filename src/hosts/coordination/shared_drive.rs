//! The result of a drive by the drivers of several hosts.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::super::protocol::WatchedUse;
use lab_load::wire::DriveOutcome;
use lab_stats::clock::{Drift, UncertainWindow};

/// A measured window of all drivers together.
#[derive(Debug, Serialize, Deserialize)]
pub struct SharedDrive {
    /// The outcome that one driver of the whole load would have had.
    pub outcome: DriveOutcome,
    /// What each driver contributed, in the order of their shares.
    pub drivers: Vec<DriverRates>,
    /// The use of the watched containers, in the order of the tasks.
    pub watched: Vec<WatchedUse>,
    /// The clock of each agent, in the order of the agents.
    pub clocks: Vec<AgentClockReport>,
    /// How far an end of a driver's window may be from the common one.
    pub uncertainty: Duration,
    /// Why that is too much.
    pub issue: Option<UncertainWindow>,
}

/// The requests of one driver, per second of the window.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct DriverRates {
    /// The position of its agent.
    pub agent: usize,
    /// Scheduled requests; `None` in a closed loop.
    pub offered_per_s: Option<f64>,
    /// Requests that it sent.
    pub sent_per_s: f64,
    /// Good responses that ended within the window.
    pub answered_per_s: f64,
    /// 99th percentile of its lag in microseconds; `None` in a closed loop.
    pub lag_p99_us: Option<u64>,
    /// The share of its cores that it used.
    pub busy: f64,
}

/// An agent's clock over a window, relative to the coordinator's.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct AgentClockReport {
    pub drift: Drift,
    /// The largest bound of the offset's readings.
    pub bound: Duration,
    /// How far it was from running evenly, beyond that.
    pub unsteadiness: Duration,
}

impl DriverRates {
    pub(super) fn new(agent: usize, outcome: &DriveOutcome) -> DriverRates {
        let ledger = &outcome.ledger;
        let window_s = ledger.window.as_secs_f64();
        let per_s = |count: u64| count as f64 / window_s;
        let open = ledger.open.as_ref();
        let sent = match open {
            Some(open) => open.scheduled - open.shed - open.unsent,
            None => ledger.ok + ledger.failures() + ledger.unfinished,
        };
        DriverRates {
            agent,
            offered_per_s: open.map(|open| per_s(open.scheduled)),
            sent_per_s: per_s(sent),
            answered_per_s: per_s(ledger.answered),
            lag_p99_us: open.map(|open| open.lag_us.value_at_quantile(0.99)),
            busy: outcome.driver_cpu.total().as_secs_f64() / (window_s * f64::from(outcome.driver_threads)),
        }
    }
}
