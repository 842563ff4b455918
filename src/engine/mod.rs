//! The engine: what a run does, in which order. Behaviour before speed.
//!
//! First every stack is started once and asked its checks. Then the rounds: randomised complete blocks over the stacks
//! that passed, each visit freshly started; an invalid round is shown and replaced, never averaged: at the end of its
//! block, or in a further one. The engine knows no process, socket or clock: a [`Backend`] does, and a fake one makes its numbers exact in the tests.

pub mod backend;
pub mod calibration;
pub mod estimates;
pub mod checkpoint;
pub mod interruption;
pub mod local;
pub mod placement;
pub mod ranking;
pub mod plan;
pub mod run_folder;
pub mod session;
pub mod validations;
mod blocks;
mod resume;
mod suspicion;
mod warmup;
mod watch;

#[cfg(test)]
mod fake;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use backend::{Backend, Driven, NoAnswer};
use blocks::{Blocks, with_repeats};

use crate::catalog::kind;
use crate::check::diff::differences;
use crate::check::judge::judge;
use crate::event::{RunEvent, RunObserver};
use crate::record::{
    CheckOutcome, CheckRecord, Distribution, DriverUse, Measured, Objection, OpenMeasured, PublishedFigure,
    RoundOutcome, RoundRecord, SeenDifference, StackDifferences, StackRecord, StepMeasured, WarmupRecord,
};
use crate::scenario::model::{Check, CheckRequest, Load, Scenario, Stack};
use lab_load::audit;
use lab_stats::rounds::{Visit, schedule};

/// What a run found; the raw part of a [`Record`](crate::record::Record).
#[derive(Debug, Clone)]
pub struct Findings {
    /// What was found on each stack, in the scenario's order.
    pub stacks: Vec<StackRecord>,
    /// What each stack changes relative to the reference stack.
    pub differences: Vec<StackDifferences>,
    /// Every visit, in the order they were made.
    pub rounds: Vec<RoundRecord>,
    /// How many of the scenario's looks were made.
    pub looks_made: usize,
}

/// What is done with a scenario.
pub struct Plan<'a> {
    /// Its checks only, or its loads as well.
    pub checks_only: bool,
    /// The rounds that an interrupted run has finished, in the order they were made; empty for a new run.
    pub earlier: Vec<RoundRecord>,
    /// Asked at every look but the last, with all rounds so far and the number of looks made: whether nothing is
    /// undecided any more.
    pub is_decided: &'a mut dyn FnMut(&[RoundRecord], usize) -> bool,
}

/// Runs a scenario: its checks, and unless they are all that is planned its loads on every stack that passed them.
pub async fn run<B: Backend>(
    scenario: &Scenario,
    plan: Plan<'_>,
    backend: &mut B,
    observer: &mut dyn RunObserver,
) -> Findings {
    let mut stacks = Vec::new();
    for stack in &scenario.stacks {
        stacks.push(check_stack(scenario, stack, backend, observer).await);
    }
    let differences = compare_stacks(scenario, &stacks);
    let (rounds, looks_made) = match plan.checks_only {
        true => (Vec::new(), 0),
        false => measure(scenario, &stacks, plan, backend, observer).await,
    };
    Findings { stacks, differences, rounds, looks_made }
}

/// Starts a stack and asks it every check that applies to it.
async fn check_stack<B: Backend>(
    scenario: &Scenario,
    stack: &Stack,
    backend: &mut B,
    observer: &mut dyn RunObserver,
) -> StackRecord {
    let mut record = StackRecord {
        name: stack.name.clone(),
        reference: stack.name == scenario.reference().name,
        components: Vec::new(),
        unavailable: backend.missing(stack),
        is_optional: stack.is_optional,
        error: None,
        checks: Vec::new(),
        published: stack.server.kind.published().map(published).collect(),
    };
    if let Some(missing) = &record.unavailable {
        observer.on_event(&RunEvent::Unavailable { stack: &stack.name, missing });
        return record;
    }
    observer.on_event(&RunEvent::Starting { stack: &stack.name });
    let running = match backend.start(stack, &format!("checks/{}", stack.name)).await {
        Ok(running) => running,
        Err(error) => {
            observer.on_event(&RunEvent::Failed { stack: &stack.name, error: &error });
            record.error = Some(error);
            return record;
        }
    };
    record.components = backend.describe(&running).components;
    for check in scenario.checks_for(stack) {
        let outcome = ask(check, &running, backend).await;
        let heard = match &outcome {
            CheckOutcome::Judged { findings, .. } => Ok(findings.as_slice()),
            CheckOutcome::Unanswered { .. } => Ok(&[][..]),
            CheckOutcome::Failed { error } => Err(error.as_str()),
        };
        observer.on_event(&RunEvent::Checked { stack: &stack.name, check: &check.name, outcome: heard });
        record.checks.push(CheckRecord { name: check.name.clone(), request: in_short(&check.request), outcome });
    }
    if let Err(error) = backend.stop(running).await {
        observer.on_event(&RunEvent::Failed { stack: &stack.name, error: &error });
        record.error = Some(error);
    }
    record
}

/// A kind's figure as the record keeps it.
fn published(of_kind: &kind::Published) -> PublishedFigure {
    let kind::Published { figure, unit, what, year, source, conditions, variant: _ } = of_kind.clone();
    PublishedFigure { figure, unit, what, year, source, conditions }
}

async fn ask<B: Backend>(check: &Check, running: &B::Running, backend: &mut B) -> CheckOutcome {
    let redaction = backend.describe(running).redaction;
    match backend.ask(running, &check.request).await {
        Ok(asked) => CheckOutcome::Judged {
            findings: judge(&check.expect, &asked.observed, &asked.values),
            observed: redaction.apply(&asked.observed),
        },
        Err(NoAnswer::Silent(said)) if check.expect.unanswered => {
            CheckOutcome::Unanswered { said: redaction.text(&said) }
        }
        Err(NoAnswer::Silent(error) | NoAnswer::Failed(error)) => {
            CheckOutcome::Failed { error: redaction.text(&error) }
        }
    }
}

/// A request's method and target, or the first line of a raw one.
fn in_short(request: &CheckRequest) -> String {
    match request {
        CheckRequest::Composed { method, target, .. } => format!("{method} {target}"),
        CheckRequest::Raw(template) => {
            let text = template.source();
            text.lines().next().unwrap_or_default().to_owned()
        }
    }
}

/// What each stack changes relative to the reference, over the checks that both were asked.
fn compare_stacks(scenario: &Scenario, stacks: &[StackRecord]) -> Vec<StackDifferences> {
    // What was not there has not changed anything.
    let mut there = stacks.iter().filter(|stack| stack.unavailable.is_none());
    let Some(reference) = there.clone().find(|stack| stack.name == scenario.reference().name) else {
        return Vec::new();
    };
    // Two stacks that are asked nothing in common are not alike, but not compared.
    let is_asked = |other: &StackRecord, check: &str| other.checks.iter().any(|twin| twin.name == check);
    let shares = |other: &&StackRecord| {
        reference.checks.is_empty() || reference.checks.iter().any(|check| is_asked(other, &check.name))
    };
    let others = there.by_ref().filter(|stack| stack.name != reference.name).filter(shares);
    others
        .map(|other| {
            let mut found: Vec<SeenDifference> = Vec::new();
            for check in &other.checks {
                let twin = reference.checks.iter().find(|twin| twin.name == check.name);
                let (Some(twin), CheckOutcome::Judged { observed, .. }) = (twin, &check.outcome) else { continue };
                let CheckOutcome::Judged { observed: expected, .. } = &twin.outcome else { continue };
                for difference in differences(expected, observed) {
                    match found.iter_mut().find(|seen| seen.difference == difference) {
                        Some(seen) => seen.checks += 1,
                        None => found.push(SeenDifference { check: check.name.clone(), checks: 1, difference }),
                    }
                }
            }
            StackDifferences { stack: other.name.clone(), reference: reference.name.clone(), differences: found }
        })
        .collect()
}

/// Visits every stack that is to be measured and passed its checks under every load, block by block, until a look leaves nothing undecided
/// or all looks have been made. Returns every round, and how many looks were made.
async fn measure<B: Backend>(
    scenario: &Scenario,
    stacks: &[StackRecord],
    plan: Plan<'_>,
    backend: &mut B,
    observer: &mut dyn RunObserver,
) -> (Vec<RoundRecord>, usize) {
    let measured: Vec<&Stack> = scenario
        .stacks
        .iter()
        .filter(|stack| stack.measured && stacks.iter().any(|record| record.name == stack.name && record.passed()))
        .collect();
    let looks: Vec<u32> = scenario.rounds.looks.iter().map(|look| look.get()).collect();
    let visits = schedule(
        measured.len(),
        scenario.loads.len(),
        with_repeats(scenario.rounds.most().get()),
        scenario.rounds.seed,
    );
    let unavailable: BTreeMap<&str, String> =
        scenario.loads.iter().filter_map(|load| Some((load.name.as_str(), backend.unavailable(load)?))).collect();
    let drivable: Vec<&Load> =
        scenario.loads.iter().filter(|load| !unavailable.contains_key(load.name.as_str())).collect();
    let blocks = Blocks {
        stacks: measured.iter().map(|stack| stack.name.as_str()).collect(),
        reference: measured.iter().map(|stack| &*stack.name).find(|name| *name == scenario.reference().name),
        loads: drivable.clone(),
        looks: &looks,
    };
    let driven = |load: &Load| measured.iter().filter(|stack| load.drives(&stack.name)).count();
    let mut rounds = resume::continued(plan.earlier, &blocks);
    let mut look = 0;
    let visits_by =
        |look: u32| -> usize { drivable.iter().map(|load| driven(load) * load.blocks_of(look) as usize).sum() };
    observer.on_event(&RunEvent::RoundsPlanned { visits: visits_by(looks[0]), made: rounds.len() });

    // Those whose round of this block failed or is invalid get a second chance in it, beside the others.
    let mut again: Vec<&Stack> = Vec::new();
    for (index, &Visit { block, load: number, stack }) in visits.iter().enumerate() {
        let (load, stack, next) = (&scenario.loads[number], measured[stack], visits.get(index + 1));
        if !load.drives(&stack.name) {
            // It has no part in this load. The order of the others stays as it is drawn.
        } else if let Some(missing) = unavailable.get(load.name.as_str()) {
            // One row says so; it will not be there in the next block either.
            if block == 0 && !is_made(&rounds, block, load, stack) {
                let outcome = RoundOutcome::Unavailable { missing: missing.clone() };
                rounds.push(RoundRecord { block, load: load.name.clone(), stack: stack.name.clone(), outcome });
            }
        } else if !is_made(&rounds, block, load, stack)
            && blocks.is_planned(&rounds, load, block, &stack.name, looks[look])
            && !resume::is_cut(&rounds, &load.name, block)
        {
            let round = visit(scenario, block, load, stack, "", backend, observer).await;
            if round.valid().is_none() {
                again.push(stack);
            }
            rounds.push(round);
        }
        if next.is_none_or(|next| (next.block, next.load) != (block, number)) {
            for stack in again.drain(..) {
                rounds.push(visit(scenario, block, load, stack, "-again", backend, observer).await);
            }
        }
        let block_ends = next.is_none_or(|next| next.block != block);
        while block_ends && blocks.is_due(&rounds, block + 1, looks[look]) {
            look += 1;
            if look == looks.len() || (plan.is_decided)(&rounds, look) {
                return (rounds, look);
            }
            let visits = visits_by(looks[look]) - visits_by(looks[look - 1]);
            observer.on_event(&RunEvent::MoreRoundsPlanned { look, visits });
        }
    }
    (rounds, look)
}

fn is_made(rounds: &[RoundRecord], block: u32, load: &Load, stack: &Stack) -> bool {
    rounds.iter().any(|round| round.block == block && round.load == load.name && round.stack == stack.name)
}

/// Makes one visit, whatever comes of it. Its logs are where its name and `suffix` say.
async fn visit<B: Backend>(
    scenario: &Scenario,
    block: u32,
    load: &Load,
    stack: &Stack,
    suffix: &str,
    backend: &mut B,
    observer: &mut dyn RunObserver,
) -> RoundRecord {
    observer.on_event(&RunEvent::RoundStarted { block, load: &load.name, stack: &stack.name });
    let name = format!("rounds/{:03}-{}-{}{suffix}", block + 1, load.name, stack.name);
    let driven = &plan::of_block(load, block);
    let outcome = match visit_stack(scenario, stack, driven, &name, backend).await {
        Ok(measured) => RoundOutcome::Measured(Box::new(measured)),
        Err(error) => {
            observer.on_event(&RunEvent::Failed { stack: &stack.name, error: &error });
            RoundOutcome::Failed { error }
        }
    };
    let round = RoundRecord { block, load: load.name.clone(), stack: stack.name.clone(), outcome };
    observer.on_event(&RunEvent::RoundEnded { round: &round });
    round
}

/// One round: a fresh start, a warm-up, a measured window, and the stop.
async fn visit_stack<B: Backend>(
    scenario: &Scenario,
    stack: &Stack,
    load: &Load,
    visit: &str,
    backend: &mut B,
) -> Result<Measured, String> {
    let mut running = backend.start(stack, visit).await?;
    let warmed = warmup::warm_up(&mut running, load, scenario.rounds.warmup, visit, backend).await;
    let driven = match &warmed {
        Ok(warmed) => backend.drive(&mut running, load, warmed.remaining, visit).await,
        Err(error) => Err(error.clone()),
    };
    // A stack is stopped whatever its driver says; the driver's error matters more than the stop's.
    let stopped = backend.stop(running).await;
    let driven = driven?;
    stopped?;
    let findings = audit::audit(plan::offer(load), &driven.outcome);
    let mut measured = measured(warmed?.record, driven, &findings);
    if let Some(open) = &mut measured.open {
        open.seed = plan::seed_of(load);
    }
    measured.objections.extend(warmup::objection(&measured.warmup));
    measured.objections.extend(suspicion::warnings(&measured));
    measured.objections.extend(suspicion::uninvited(&measured).filter(|_| plan::opens_all_connections(load)));
    Ok(measured)
}

/// A measured window as the record keeps it.
fn measured(warmup: WarmupRecord, driven: Driven, findings: &[audit::Finding]) -> Measured {
    let Driven { outcome, components, machine } = driven;
    let micros = |duration: Duration| u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
    let objection = |finding: &audit::Finding| Objection {
        kind: finding.kind().to_owned(),
        invalidates: finding.severity() == audit::Severity::Invalid,
        said: finding.to_string(),
    };
    Measured {
        warmup,
        window_us: micros(outcome.ledger.window),
        ok: outcome.ledger.ok,
        throughput_per_s: outcome.ledger.throughput_per_s(),
        answered: outcome.ledger.answered,
        service_time: Distribution::of(&outcome.ledger.service_time_us),
        failed_time: Distribution::of(&outcome.ledger.failed_time_us),
        open: outcome.ledger.open.as_ref().map(|open| Box::new(OpenMeasured::of(open))),
        seconds: outcome.ledger.seconds,
        steps: outcome.steps.iter().map(StepMeasured::of).collect(),
        failed: outcome.ledger.failed,
        unfinished: outcome.ledger.unfinished,
        body_bytes: outcome.ledger.body_bytes,
        connections_opened: outcome.connections_opened,
        components,
        machine,
        driver: DriverUse {
            cpu_us: micros(outcome.driver_cpu.total()),
            cpu_user_us: micros(outcome.driver_cpu.user),
            cpu_system_us: micros(outcome.driver_cpu.system),
            unclassified: outcome.unclassified,
        },
        objections: findings.iter().map(objection).collect(),
    }
}
