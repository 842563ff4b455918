//! One round: a fresh start of a stack, a warm-up, a measured window, and the stop.

use std::time::Duration;

use super::backend::{Backend, DriveResult};
use super::error::{RoundError, error_chain};
use super::{drive_plan, sanity, warmup};
use crate::event::{RunEvent, RunObserver};
use crate::record::{
    Distribution, DriverUse, Measured, OpenMeasured, RoundIssue, RoundOutcome, RoundRecord, StepMeasured, WarmupRecord,
};
use crate::scenario::model::{Load, Stack, Warmup};
use lab_load::accounting::audit;

/// A round to make.
pub(super) struct Round<'a> {
    /// Counted from 0.
    pub(super) block: u32,
    pub(super) load: &'a Load,
    pub(super) stack: &'a Stack,
    /// Whether it replaces a failed or invalid round of the same block.
    pub(super) is_retry: bool,
    pub(super) warmup: Warmup,
}

/// Makes a round, and records its failure as well as its measurement.
pub(super) async fn make_round<B: Backend>(
    round: Round<'_>,
    backend: &mut B,
    observer: &mut dyn RunObserver,
) -> RoundRecord {
    let Round { block, load, stack, is_retry, warmup } = round;
    observer.on_event(&RunEvent::RoundStarted { block, load: &load.name, stack: &stack.name });
    let suffix = if is_retry { "-again" } else { "" };
    let visit = format!("rounds/{:03}-{}-{}{suffix}", block + 1, load.name, stack.name);
    let driven = drive_plan::of_block(load, block);
    let outcome = match measure(stack, &driven, warmup, &visit, backend).await {
        Ok(measured) => RoundOutcome::Measured(Box::new(measured)),
        Err(error) => {
            let error = error_chain(&error);
            observer.on_event(&RunEvent::Failed { stack: &stack.name, error: &error });
            RoundOutcome::Failed { error }
        }
    };
    let record = RoundRecord { block, load: load.name.clone(), stack: stack.name.clone(), outcome };
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
    let mut running = backend.start(stack, visit).await?;
    let driven = warm_up_and_drive(&mut running, load, warmup, visit, backend).await;
    // A stack is stopped even if its driver failed, and the driver's error matters more than the stop's.
    let stopped = backend.stop(running).await;
    let (warmup, result) = driven?;
    stopped?;
    let findings = audit::audit(drive_plan::offer(load), &result.outcome);
    let mut measured = measured(warmup, result, &findings);
    if let Some(open) = &mut measured.open {
        open.seed = drive_plan::seed_of(load);
    }
    measured.issues.extend(warmup::unsteady(&measured.warmup));
    measured.issues.extend(sanity::warnings(&measured));
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

/// A measured window as the record keeps it.
fn measured(warmup: WarmupRecord, result: DriveResult, findings: &[audit::Finding]) -> Measured {
    let DriveResult { outcome, components, machine } = result;
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
        issues: findings.iter().map(issue).collect(),
    }
}

fn issue(finding: &audit::Finding) -> RoundIssue {
    RoundIssue {
        kind: finding.kind().to_owned(),
        invalidates: finding.severity() == audit::Severity::Invalid,
        message: finding.to_string(),
    }
}

pub(super) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
