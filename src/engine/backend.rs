//! What the engine needs from the world: start, probe, drive and stop a stack. [`Local`](super::local::Local) is the
//! real implementation.

use std::time::Duration;

use super::error::BackendError;
use crate::check::probe::{ProbeError, ProbeResult};
use crate::check::redact::Redaction;
use crate::measure::contention::Contention;
use crate::record::{ComponentRecord, ComponentUse, SharedWindow};
use crate::scenario::model::{CheckRequest, Load, Stack};
use crate::stack::logs::{LogExcerpt, LogPositions};
use crate::stack::recording::Recording;
use lab_load::wire::DriveOutcome;

/// A way to run stacks.
pub trait Backend {
    /// A stack that is up.
    type Running;

    /// Why a stack cannot run here at all; `None` if it can be started.
    fn missing(&self, _stack: &Stack) -> Option<String> {
        None
    }

    /// Starts a stack afresh and waits until it is ready. Its logs go into the folder `visit` of the run's folder. Where the
    /// backend can, requests are recorded as far as `recording` says.
    fn start(
        &mut self,
        stack: &Stack,
        visit: &str,
        recording: Recording,
    ) -> impl Future<Output = Result<Self::Running, BackendError>>;

    fn describe(&self, running: &Self::Running) -> StackDescription;

    /// Sends one request and observes the response.
    fn probe(
        &mut self,
        running: &Self::Running,
        request: &CheckRequest,
    ) -> impl Future<Output = Result<ProbeResult, ProbeError>>;

    /// The warnings that the app server logged while it started.
    fn warnings(&self, _running: &Self::Running) -> Vec<String> {
        Vec::new()
    }

    /// How far the logs of a stack's components are written.
    fn log_positions(&self, _running: &Self::Running) -> LogPositions {
        LogPositions::default()
    }

    /// What they have logged since then. Waits a moment for components that log after they have responded.
    fn logged_since(
        &self,
        _running: &Self::Running,
        _positions: &LogPositions,
    ) -> impl Future<Output = Vec<LogExcerpt>> {
        std::future::ready(Vec::new())
    }

    /// The program that a load needs and that is not installed, as a message; `None` if the load can be driven.
    fn missing_driver(&self, _load: &Load) -> Option<String> {
        None
    }

    /// Drives the stack with a load: a warm-up, then a measured window.
    fn drive(
        &mut self,
        running: &mut Self::Running,
        load: &Load,
        warmup: Duration,
        visit: &str,
    ) -> impl Future<Output = Result<DriveResult, BackendError>>;

    /// Stops the stack and waits until all its processes have ended.
    fn stop(&mut self, running: Self::Running) -> impl Future<Output = Result<(), BackendError>>;
}

/// A running stack's components.
#[derive(Debug, Clone)]
pub struct StackDescription {
    /// From the client inwards.
    pub components: Vec<ComponentRecord>,
    /// Replaces what differs from start to start.
    pub redaction: Redaction,
}

/// A measured window.
#[derive(Debug, Clone)]
pub struct DriveResult {
    /// The driver's counts and its own cost.
    pub outcome: DriveOutcome,
    /// The use of each component within the window, from the client inwards.
    pub components: Vec<ComponentUse>,
    /// The contention on the machine within the window.
    pub machine: Contention,
    pub interference: Interference,
    /// Only of drivers on the nodes of a swarm.
    pub shared: Option<SharedWindow>,
}

/// What kept lab from watching a window, or disturbed it.
#[derive(Debug, Clone, Default)]
pub struct Interference {
    /// The longest time between two samples of the stack.
    pub longest_gap: Duration,
    /// The runs that other lab processes were measuring, in words.
    pub other_runs: Vec<String>,
}
