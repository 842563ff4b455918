//! The messages between a coordinator and an agent: JSON documents, one on each line, over mutual TLS.
//!
//! Plans, starts and events of drivers are documents of the driver's own protocol ([`lab_load::wire`]), which the agent passes on.

use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::network_path::{PathMeasurement, ResponderPorts};
use crate::measure::contention::Contention;
use crate::measure::resources::ResourceUse;
use lab_load::wire::{DrivePlan, DriverEvent, Start, WindowEnds};

/// The version of these messages. Both sides are of one lab binary, unless an image is stale.
pub const VERSION: u32 = 2;

/// From the coordinator.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "kebab-case")]
pub enum AgentRequest {
    /// The first message.
    Hello {
        version: u32,
        /// The run that the coordinator belongs to.
        run: String,
    },
    /// Asks for a reading of the agent's clock.
    ReadClock { number: u64 },
    /// Starts a driver on these cores; all cores if there are none.
    Prepare { driver: u32, cores: Vec<u16>, plan: Box<DrivePlan> },
    /// The start of a driver that awaits it.
    Start { driver: u32, start: Start },
    /// Moves containers to their cores, and reads their use within a window of the agent's clock.
    Watch { containers: Vec<WatchedContainer>, window: WindowEnds },
    /// Starts a responder for another agent, which measures the path to it.
    RespondToProber,
    /// Measures the path to the responder on the host.
    MeasurePath { host: IpAddr, ports: ResponderPorts },
    /// Stops all drivers.
    Abort,
    /// Shows that the coordinator is there, between two drives.
    KeepAlive,
}

/// From the agent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "report", rename_all = "kebab-case")]
pub enum AgentReport {
    /// The response to [`AgentRequest::Hello`].
    Hello {
        version: u32,
        /// The node's name.
        node: String,
        /// The cores that the agent may use there.
        cores: Vec<u16>,
    },
    /// The response to [`AgentRequest::ReadClock`]: `CLOCK_MONOTONIC` in nanoseconds.
    Clock { number: u64, read_ns: u64 },
    /// An event of a driver, with the reading of the clock when it arrived.
    Driver { driver: u32, read_ns: u64, event: DriverEvent },
    /// A driver ended without an outcome.
    DriverFailed { driver: u32, message: String },
    /// The response to [`AgentRequest::Watch`], after the window.
    Watched(WatchedUse),
    /// The containers cannot be moved or read.
    WatchFailed { message: String },
    /// The response to [`AgentRequest::RespondToProber`].
    Responding { ports: ResponderPorts },
    /// The response to [`AgentRequest::MeasurePath`].
    PathMeasured { measurement: PathMeasurement },
    /// The path cannot be measured.
    PathFailed { message: String },
}

/// A container of a component on the agent's node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchedContainer {
    /// Its id in the engine.
    pub id: String,
    /// Its cores; empty leaves them as they are.
    pub cores: Vec<u16>,
}

/// What the containers on one node used within a window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WatchedUse {
    /// In the order of the request.
    pub containers: Vec<ContainerUse>,
    /// Contention on the node.
    pub machine: Contention,
    /// The longest time between two samples.
    pub longest_gap: Duration,
}

/// What a container used within a window, from its control group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerUse {
    /// Context switches are unknown and 0.
    pub used: ResourceUse,
    /// The most memory that its group was charged for, files in the page cache included.
    pub peak_memory_bytes: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_tagged_lines() {
        let requests = [
            AgentRequest::Hello { version: VERSION, run: "20260101T000000-1".to_owned() },
            AgentRequest::ReadClock { number: 7 },
            AgentRequest::Start { driver: 2, start: Start { at: Duration::from_micros(12) } },
            AgentRequest::Abort,
        ];
        let lines: Vec<String> = requests.iter().map(|request| serde_json::to_string(request).unwrap()).collect();
        insta::assert_snapshot!(lines.join("\n"), @r#"
        {"request":"hello","version":2,"run":"20260101T000000-1"}
        {"request":"read-clock","number":7}
        {"request":"start","driver":2,"start":{"at_us":12}}
        {"request":"abort"}
        "#);
        for (request, line) in requests.iter().zip(&lines) {
            assert_eq!(serde_json::from_str::<AgentRequest>(line).unwrap(), *request);
        }
        let report = AgentReport::Driver { driver: 1, read_ns: u64::MAX, event: DriverEvent::Prepared };
        let line = serde_json::to_string(&report).unwrap();
        assert_eq!(
            line,
            r#"{"report":"driver","driver":1,"read_ns":18446744073709551615,"event":{"event":"prepared"}}"#
        );
        assert_eq!(serde_json::from_str::<AgentReport>(&line).unwrap(), report);
    }
}
