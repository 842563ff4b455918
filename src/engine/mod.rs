//! The engine: what a run does, and in which order. Behaviour comes before speed.
//!
//! First every stack is started once for its checks. Then come the rounds: randomised complete blocks over the stacks
//! that passed, each visit freshly started. An invalid round is reported and replaced, at the end of its block or in an
//! additional block, and never averaged. The loop itself knows no process, socket or clock: these belong to a
//! [`Backend`], and a fake one makes its numbers exact in the tests.

pub mod backend;
pub mod calibration;
pub mod checkpoint;
pub mod drive_plan;
pub mod error;
pub mod estimates;
pub mod interruption;
pub mod local;
pub mod placement;
pub mod ranking;
pub mod run_folder;
pub mod session;
pub mod validations;
mod blocks;
mod checks;
mod driver;
mod resume;
mod round;
mod rounds;
mod sampler;
mod sanity;
mod warmup;

#[cfg(test)]
mod fake;
#[cfg(test)]
mod tests;

use backend::Backend;

use crate::event::RunObserver;
use crate::record::{RoundRecord, StackDifferences, StackRecord};
use crate::scenario::model::Scenario;

/// What a run found; the raw part of a [`Record`](crate::record::Record).
#[derive(Debug, Clone)]
pub struct Findings {
    /// In the scenario's order.
    pub stacks: Vec<StackRecord>,
    /// What each stack changes relative to the reference stack.
    pub differences: Vec<StackDifferences>,
    /// Every visit, in the order they were made.
    pub rounds: Vec<RoundRecord>,
    /// How many of the scenario's looks were made.
    pub looks_made: usize,
}

/// How much of a scenario is run.
pub struct RunPlan<'a> {
    /// Whether to leave out the loads.
    pub checks_only: bool,
    /// The rounds that an interrupted run has finished, in the order they were made; empty for a new run.
    pub earlier: Vec<RoundRecord>,
    /// Whether nothing is undecided any more. Called at every interim look but the last, with all rounds so far and the
    /// number of looks made.
    pub is_decided: &'a mut dyn FnMut(&[RoundRecord], usize) -> bool,
}

/// Runs a scenario: its checks, and then its loads on every stack that passed them.
pub async fn run<B: Backend>(
    scenario: &Scenario,
    plan: RunPlan<'_>,
    backend: &mut B,
    observer: &mut dyn RunObserver,
) -> Findings {
    let mut stacks = Vec::new();
    for stack in &scenario.stacks {
        stacks.push(checks::check_stack(scenario, stack, backend, observer).await);
    }
    let differences = checks::compare_stacks(scenario, &stacks);
    let (rounds, looks_made) = match plan.checks_only {
        true => (Vec::new(), 0),
        false => rounds::make_rounds(scenario, &stacks, plan, backend, observer).await,
    };
    Findings { stacks, differences, rounds, looks_made }
}
