//! Errors of starting, driving and stopping a stack.

use std::error::Error;
use std::io;
use std::time::Duration;

use crate::hosts::agents::AgentsError;
use crate::hosts::assignment::AssignmentError;
use crate::stack::container::run_network::RunNetworkError;
use crate::stack::running::{ComponentFailure, SampleError};
use crate::stack::swarm::{DockerError, SwarmError};
use crate::stack::{Role, StartError};
use lab_load::wire::{DivisionError, ProtocolError};
use lab_stats::clock::UncertainWindow;

/// Why a backend failed.
#[derive(Debug, thiserror::Error)]
pub enum BackendError {
    /// The stack could not be started.
    #[error(transparent)]
    Start(#[from] StartError),
    #[error("the swarm was not opened for this run")]
    NoSwarm,
    /// The stack runs in containers, and the backend was not opened.
    #[error("the container engine was not opened for this run")]
    NoContainerEngine,
    /// A component ended while the stack was driven.
    #[error(transparent)]
    Component(#[from] ComponentFailure),
    /// The load speaks TLS and the stack does not.
    #[error("the load uses TLS, but the stack has no TLS listener; add a `listen … ssl` to its proxy")]
    NoTlsEntry,
    #[error(transparent)]
    Swarm(#[from] SwarmDriveError),
    #[error("start the driver")]
    StartDriver(#[source] io::Error),
    /// The driver failed, or its window could not be observed.
    #[error("{}{log_excerpt}", error_chain(error))]
    Driver { error: DriverError, log_excerpt: String },
    #[error("stop the driver")]
    StopDriver(#[source] io::Error),
    #[error("stop the stack")]
    Stop(#[source] io::Error),
}

/// Why objects of a run may be left in an engine.
#[derive(Debug, thiserror::Error)]
pub enum CleanupError {
    #[error(transparent)]
    Containers(#[from] RunNetworkError),
    #[error(transparent)]
    Swarm(#[from] SwarmError),
}

/// Why drivers in a swarm have no outcome.
#[derive(Debug, thiserror::Error)]
pub enum SwarmDriveError {
    #[error(transparent)]
    Agents(#[from] AgentsError),
    #[error(transparent)]
    Assignment(#[from] AssignmentError),
    #[error(transparent)]
    Division(#[from] DivisionError),
    /// The clocks of the nodes do not tell exactly enough when the window was.
    #[error(transparent)]
    Uncertain(#[from] UncertainWindow),
    #[error(transparent)]
    Component(#[from] SwarmError),
    #[error("the stack does not run in the swarm")]
    NotRunning,
    #[error("the node {node} is {state}")]
    NodeLost {
        node: String,
        /// What it is instead of ready: `down`, for example.
        state: String,
    },
    #[error("the nodes of the swarm are unknown")]
    Nodes(#[source] DockerError),
}

/// Why a driver has no outcome.
#[derive(Debug, thiserror::Error)]
pub enum DriverError {
    #[error("the driver did not finish within {} s", .0.as_secs())]
    Deadline(Duration),
    #[error("the driver's output was already taken")]
    NoOutput,
    #[error("read the driver's events")]
    Read(#[source] io::Error),
    #[error(transparent)]
    Protocol(#[from] ProtocolError),
    #[error("the driver ended without an outcome")]
    NoOutcome,
    #[error("the driver's window has not closed")]
    WindowNotClosed,
    #[error(transparent)]
    Component(#[from] ComponentFailure),
    /// A component's use could not be read at an end of the window.
    #[error("the {role}")]
    Sample { role: Role, source: SampleError },
}

/// Why a round has no measurement.
#[derive(Debug, thiserror::Error)]
pub enum RoundError {
    #[error(transparent)]
    Backend(#[from] BackendError),
    #[error("during the warm-up")]
    WarmUp(#[source] BackendError),
    #[error("the driver reported no seconds of the warm-up")]
    NoSeconds,
}

/// An error and its sources on one line, as records and reports show it.
#[must_use]
pub fn error_chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}
