//! One round: a fresh start of a stack, a warm-up, a measured window, and the stop.

use super::backend::{Backend, DriveResult};
use super::error::{RoundError, error_chain};
use super::{drive_plan, hopeless, sanity, warmup};
use crate::event::{RunEvent, RunObserver};
use crate::record::{Measured, RoundIssue, RoundOutcome, RoundRecord, WarmupRecord};
use crate::scenario::model::{Load, Stack, Warmup};
use crate::stack::recording::Recording;
use lab_load::accounting::audit;

/// More blocks than a sample has.
const SECOND_SAMPLE: u32 = 1 << 20;

/// A planned round.
pub(super) struct Round<'a> {
    /// Counted from 0.
    pub(super) block: u32,
    pub(super) load: &'a Load,
    pub(super) stack: &'a Stack,
    /// Whether it replaces a failed or invalid round of the same block.
    pub(super) is_retry: bool,
    /// Whether it belongs to the second sample of its run.
    pub(super) confirms: bool,
    pub(super) warmup: Warmup,
}

/// Runs a round and records its measurement or its failure.
pub(super) async fn run_round<B: Backend>(
    round: Round<'_>,
    backend: &mut B,
    observer: &mut dyn RunObserver,
) -> RoundRecord {
    let Round { block, load, stack, is_retry, confirms, warmup } = round;
    observer.on_event(&RunEvent::RoundStarted { block, load: &load.name, stack: &stack.name });
    let suffix = if is_retry { "-again" } else { "" };
    let folder = if confirms { "confirmation" } else { "rounds" };
    let visit = format!("{folder}/{:03}-{}-{}{suffix}", block + 1, load.name, stack.name);
    // Random arrivals of the second sample are others than those of the first.
    let driven = drive_plan::for_block(load, if confirms { SECOND_SAMPLE + block } else { block });
    let outcome = match measure(stack, &driven, warmup, &visit, backend).await {
        Ok(measured) => RoundOutcome::Measured(Box::new(measured)),
        Err(error) => {
            let error = error_chain(&error);
            observer.on_event(&RunEvent::Failed { stack: &stack.name, error: &error });
            RoundOutcome::Failed { error }
        }
    };
    let record = RoundRecord { block, load: load.name.clone(), stack: stack.name.clone(), confirms, outcome };
    observer.on_event(&RunEvent::RoundEnded { round: &record });
    record
}

async fn measure<B: Backend>(
    stack: &Stack,
    load: &Load,
    warmup: Warmup,
    visit: &str,
    backend: &mut B,
) -> Result<Measured, RoundError> {
    let mut running = backend.start(stack, visit, Recording::NONE).await?;
    let positions = backend.log_positions(&running);
    let driven = warm_up_and_drive(&mut running, load, warmup, visit, backend).await;
    let has_mostly_errors = driven.as_ref().is_ok_and(|(_, result)| hopeless::has_mostly_errors(load, &result.outcome));
    let logged = if has_mostly_errors { backend.logged_since(&running, &positions).await } else { Vec::new() };
    // A stack is stopped even if its driver failed, and the driver's error matters more than the stop's.
    let stopped = backend.stop(running).await;
    let (warmup, result) = driven?;
    stopped?;
    let DriveResult { outcome, components, machine, interference, shared } = result;
    let findings = audit::audit(drive_plan::offered_load(load), &outcome);
    let mut measured = Measured::new(warmup, outcome, components, machine);
    measured.shared = shared;
    measured.issues.extend(findings.iter().map(issue));
    if has_mostly_errors {
        let issue = hopeless::mostly_errors(&measured, &logged);
        measured.issues.insert(0, issue);
    }
    if let Some(cause) = hopeless::starvation(stack, drive_plan::offered_load(load)) {
        hopeless::explain(&mut measured.issues, &cause);
    }
    if let Some(open) = &mut measured.open {
        open.seed = drive_plan::arrival_seed(load);
    }
    measured.issues.extend(warmup::unsteady(&measured.warmup));
    measured.issues.extend(sanity::warnings(&measured));
    measured.issues.extend(sanity::interference(&interference, &measured));
    if drive_plan::counts_all_connections(load) {
        measured.issues.extend(sanity::unexpected_connections(&measured));
    }
    Ok(measured)
}

async fn warm_up_and_drive<B: Backend>(
    running: &mut B::Running,
    load: &Load,
    warmup: Warmup,
    visit: &str,
    backend: &mut B,
) -> Result<(WarmupRecord, DriveResult), RoundError> {
    let warmed = warmup::warm_up(running, load, warmup, visit, backend).await?;
    let result = backend.drive(running, load, warmed.remaining, visit).await?;
    Ok((warmed.record, result))
}

fn issue(finding: &audit::Finding) -> RoundIssue {
    RoundIssue {
        kind: finding.kind().to_owned(),
        invalidates: finding.severity() == audit::Severity::Invalid,
        message: finding.to_string(),
    }
}
