//! The checks of a run: each stack is started once, and its responses are compared with expectations and with the
//! reference stack's.

use super::backend::Backend;
use super::error::error_chain;
use crate::catalog::kind;
use crate::check::diff::differences;
use crate::check::evaluate::evaluate;
use crate::check::probe::ProbeError;
use crate::event::{RunEvent, RunObserver};
use crate::record::{CheckOutcome, CheckRecord, PublishedFigure, SeenDifference, StackDifferences, StackRecord};
use crate::scenario::model::{Check, CheckRequest, Scenario, Stack};

/// Starts a stack and runs every check that applies to it.
pub(super) async fn check_stack<B: Backend>(
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
        published: stack.server.kind.published().map(published_figure).collect(),
    };
    if let Some(missing) = &record.unavailable {
        observer.on_event(&RunEvent::Unavailable { stack: &stack.name, missing });
        return record;
    }
    observer.on_event(&RunEvent::Starting { stack: &stack.name });
    let running = match backend.start(stack, &format!("checks/{}", stack.name)).await {
        Ok(running) => running,
        Err(error) => {
            let error = error_chain(&error);
            observer.on_event(&RunEvent::Failed { stack: &stack.name, error: &error });
            record.error = Some(error);
            return record;
        }
    };
    record.components = backend.describe(&running).components;
    for check in scenario.checks_for(stack) {
        let outcome = run_check(check, &running, backend).await;
        let observed = match &outcome {
            CheckOutcome::Judged { findings, .. } => Ok(findings.as_slice()),
            CheckOutcome::Unanswered { .. } => Ok(&[][..]),
            CheckOutcome::Failed { error } => Err(error.as_str()),
        };
        observer.on_event(&RunEvent::Checked { stack: &stack.name, check: &check.name, outcome: observed });
        record.checks.push(CheckRecord { name: check.name.clone(), request: summary(&check.request), outcome });
    }
    if let Err(error) = backend.stop(running).await {
        let error = error_chain(&error);
        observer.on_event(&RunEvent::Failed { stack: &stack.name, error: &error });
        record.error = Some(error);
    }
    record
}

fn published_figure(of_kind: &kind::Published) -> PublishedFigure {
    let kind::Published { figure, unit, what, year, source, conditions, variant: _ } = of_kind.clone();
    PublishedFigure { figure, unit, what, year, source, conditions }
}

async fn run_check<B: Backend>(check: &Check, running: &B::Running, backend: &mut B) -> CheckOutcome {
    let redaction = backend.describe(running).redaction;
    match backend.probe(running, &check.request).await {
        Ok(result) => CheckOutcome::Judged {
            findings: evaluate(&check.expect, &result.observed, &result.values),
            observed: redaction.apply(&result.observed),
        },
        Err(error @ ProbeError::Silent { .. }) if check.expect.unanswered => {
            CheckOutcome::Unanswered { said: redaction.text(&error_chain(&error)) }
        }
        Err(error) => CheckOutcome::Failed { error: redaction.text(&error_chain(&error)) },
    }
}

/// A request's method and target, or the first line of a raw one.
fn summary(request: &CheckRequest) -> String {
    match request {
        CheckRequest::Composed { method, target, .. } => format!("{method} {target}"),
        CheckRequest::Raw(template) => {
            let text = template.source();
            text.lines().next().unwrap_or_default().to_owned()
        }
    }
}

/// What each stack changes relative to the reference, over the checks that both ran. Stacks without a common check are
/// not compared, for that would show no difference.
pub(super) fn compare_stacks(scenario: &Scenario, stacks: &[StackRecord]) -> Vec<StackDifferences> {
    let available = || stacks.iter().filter(|stack| stack.unavailable.is_none());
    let Some(reference) = available().find(|stack| stack.name == scenario.reference().name) else {
        return Vec::new();
    };
    let has_check = |other: &StackRecord, name: &str| other.checks.iter().any(|check| check.name == name);
    let is_comparable = |other: &&StackRecord| {
        reference.checks.is_empty() || reference.checks.iter().any(|check| has_check(other, &check.name))
    };
    let others = available().filter(|stack| stack.name != reference.name).filter(is_comparable);
    others
        .map(|other| StackDifferences {
            stack: other.name.clone(),
            reference: reference.name.clone(),
            differences: stack_differences(reference, other),
        })
        .collect()
}

fn stack_differences(reference: &StackRecord, other: &StackRecord) -> Vec<SeenDifference> {
    let mut found: Vec<SeenDifference> = Vec::new();
    for check in &other.checks {
        let expected = reference.checks.iter().find(|expected| expected.name == check.name);
        let (Some(expected), CheckOutcome::Judged { observed, .. }) = (expected, &check.outcome) else { continue };
        let CheckOutcome::Judged { observed: expected, .. } = &expected.outcome else { continue };
        for difference in differences(expected, observed) {
            match found.iter_mut().find(|seen| seen.difference == difference) {
                Some(seen) => seen.checks += 1,
                None => found.push(SeenDifference { check: check.name.clone(), checks: 1, difference }),
            }
        }
    }
    found
}
