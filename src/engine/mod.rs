//! The engine: the steps of a run and their order. Behaviour comes before speed.
//!
//! First every stack is started once for its checks. Then come the rounds: randomised complete blocks over the stacks
//! that passed, each visit freshly started. An invalid round is reported and replaced, at the end of its block or in an
//! additional block, and never averaged. The loop itself knows no process, socket or clock: these belong to a
//! [`Backend`], and a fake one makes its numbers exact in the tests.

pub mod backend;
pub mod baseline;
pub mod calibration;
pub mod checkpoint;
pub mod confirmation;
pub mod drive_plan;
pub mod error;
pub mod estimates;
pub mod interruption;
pub mod local;
pub mod placement;
pub mod ranking;
pub mod run_folder;
pub mod session;
pub mod swarm;
pub mod validations;
mod blocks;
mod checks;
mod driver;
mod exchange;
mod hopeless;
mod interim_records;
mod log_compression;
mod network_paths;
mod resume;
mod round;
mod rounds;
mod run_mode;
mod run_record;
mod sampler;
mod sanity;
mod warmup;

#[cfg(test)]
mod fake;
#[cfg(test)]
mod tests;

use backend::Backend;
use confirmation::{ConfirmationPlan, ConfirmationRounds};
use rounds::Sample;

use crate::event::{RunEvent, RunObserver};
use crate::record::{RoundRecord, StackDifferences, StackRecord};
use crate::scenario::model::{Scenario, Volatile};
use crate::snapshot::confirmation::SecondSample;

/// The results of a run; the raw part of a [`Record`](crate::record::Record).
#[derive(Debug, Clone)]
pub struct Findings {
    /// In the scenario's order.
    pub stacks: Vec<StackRecord>,
    /// What each stack changes relative to the reference stack.
    pub differences: Vec<StackDifferences>,
    /// What to add to the scenario's volatile list, because it varies from visit to visit.
    pub varying: Volatile,
    /// Every visit, in order.
    pub rounds: Vec<RoundRecord>,
    /// How many of the scenario's looks were made.
    pub looks_made: usize,
    /// The second sample, if something failed and was to be confirmed.
    pub confirmation: Option<ConfirmationRounds>,
}

/// How much of a scenario is run.
pub struct RunPlan<'a> {
    /// Whether to leave out the loads.
    pub checks_only: bool,
    /// Whether to start each stack and run its checks a second time, to find the facts that vary by themselves.
    pub repeats_checks: bool,
    /// The rounds that an interrupted run has finished, in order; empty for a new run.
    pub earlier: Vec<RoundRecord>,
    /// Whether every gated metric is decided. Called at every interim look but the last, with all rounds so far and the
    /// number of looks made.
    pub is_decided: &'a mut dyn FnMut(&[RoundRecord], usize) -> bool,
    /// `None` if what fails is not measured once more.
    pub confirmation: Option<ConfirmationPlan<'a>>,
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
        let checked = checks::check_stack(scenario, stack, "checks", backend, observer).await;
        observer.on_event(&RunEvent::StackChecked { stack: &checked });
        stacks.push(checked);
    }
    let mut varying = Volatile::default();
    if plan.repeats_checks {
        // After the first checks of all stacks: the time that passes between two stacks also passes between these.
        let is_checked = |first: &StackRecord| first.has_run() && !first.checks.is_empty();
        for (stack, first) in scenario.stacks.iter().zip(&mut stacks).filter(|(_, first)| is_checked(first)) {
            let again = checks::check_stack(scenario, stack, "checks-again", backend, &mut ()).await;
            varying.add(checks::enter_second_visit(first, again));
            observer.on_event(&RunEvent::StackChecked { stack: first });
        }
    }
    let differences = checks::compare_stacks(scenario, &stacks);
    let mut findings = Findings { stacks, differences, varying, rounds: Vec::new(), looks_made: 0, confirmation: None };
    if plan.checks_only {
        return findings;
    }
    let RunPlan { earlier, is_decided, confirmation, .. } = plan;
    let sample = Sample { earlier, is_decided, confirms: false };
    (findings.rounds, findings.looks_made) =
        rounds::run_rounds(scenario, &findings.stacks, sample, backend, observer).await;
    if let Some(plan) = confirmation {
        findings.confirmation = confirm(scenario, &findings, plan, backend, observer).await;
    }
    findings
}

/// Measures once more what failed; `None` if nothing did.
async fn confirm<B: Backend>(
    scenario: &Scenario,
    first: &Findings,
    plan: ConfirmationPlan<'_>,
    backend: &mut B,
    observer: &mut dyn RunObserver,
) -> Option<ConfirmationRounds> {
    let cells = (plan.failed_cells)(&first.rounds, first.looks_made);
    if cells.is_empty() {
        return None;
    }
    observer.on_event(&RunEvent::Confirming { cells: &cells });
    let narrowed = confirmation::narrowed(scenario, &cells);
    let mut is_decided = |rounds: &[RoundRecord], looks_made: usize| {
        (plan.is_decided)(SecondSample { cells: &cells, rounds, looks_made })
    };
    let sample = Sample { earlier: plan.earlier, is_decided: &mut is_decided, confirms: true };
    let (rounds, looks_made) = rounds::run_rounds(&narrowed, &first.stacks, sample, backend, observer).await;
    Some(ConfirmationRounds { cells, rounds, looks_made })
}
