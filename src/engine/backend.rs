//! What the engine asks of the world: start, ask, drive, stop. The real world is [`local`](super::local).

use std::time::Duration;

use crate::check::observed::Observed;
use crate::check::redact::Redaction;
use crate::measure::contention::Contention;
use crate::record::{ComponentRecord, ComponentUse};
use crate::scenario::model::{CheckRequest, Load, Placeholders, Stack};
use lab_load::wire::DriveOutcome;

/// A way to run stacks. Errors are texts for people: the engine records them and goes on.
pub trait Backend {
    /// A stack that is up.
    type Running;

    /// Why a stack cannot be had here at all; `None` if it can be started.
    fn missing(&self, _stack: &Stack) -> Option<String> {
        None
    }

    /// Starts a stack afresh and waits until it answers. `visit` names this start: logs are kept under it.
    fn start(&mut self, stack: &Stack, visit: &str) -> impl Future<Output = Result<Self::Running, String>>;

    /// What a running stack is made of.
    fn describe(&self, running: &Self::Running) -> Description;

    /// Sends one request and observes the answer.
    fn ask(&mut self, running: &Self::Running, request: &CheckRequest)
    -> impl Future<Output = Result<Asked, NoAnswer>>;

    /// What a load needs that is not there, in words; `None` if it can be driven.
    fn unavailable(&self, _load: &Load) -> Option<String> {
        None
    }

    /// Drives the stack with a load: a warm-up, then a measured window.
    fn drive(
        &mut self,
        running: &mut Self::Running,
        load: &Load,
        warmup: Duration,
        visit: &str,
    ) -> impl Future<Output = Result<Driven, String>>;

    /// Stops the stack and waits until nothing of it is left.
    fn stop(&mut self, running: Self::Running) -> impl Future<Output = Result<(), String>>;
}

/// What a running stack is made of.
#[derive(Debug, Clone)]
pub struct Description {
    /// Its parts, from the client inwards.
    pub components: Vec<ComponentRecord>,
    /// What of this start is accidental.
    pub redaction: Redaction,
}

/// An answer, and what the placeholders stood for when it was asked for.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The answer.
    pub observed: Observed,
    /// What `{client}`, `{host}` and `{port}` were.
    pub values: Placeholders,
}

/// Why there is no answer, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoAnswer {
    /// Nothing was wrong, and none came in time.
    Silent(String),
    /// It could not be asked, or what came is no answer.
    Failed(String),
}

/// What a measured window came to, and what it cost.
#[derive(Debug, Clone)]
pub struct Driven {
    /// What the driver counted, and what it cost itself.
    pub outcome: DriveOutcome,
    /// What each component used within the window, from the client inwards.
    pub components: Vec<ComponentUse>,
    /// What the machine went through.
    pub machine: Contention,
}
