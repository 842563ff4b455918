//! The checks of a run: each stack is started once, and its responses are compared with expectations and with those
//! of the stack's reference.

use super::backend::Backend;
use super::error::error_chain;
use super::exchange::{Exchange, exchange};
use crate::catalog::kind;
use crate::check::conditional;
use crate::check::diff::{Difference, differences};
use crate::check::evaluate::{CheckFinding, evaluate};
use crate::check::normalize::normalize;
use crate::check::observed::{Observed, UpstreamObservation};
use crate::check::probe::ProbeError;
use crate::check::session::Session;
use crate::check::{varying, volatile};
use crate::event::{RunEvent, RunObserver};
use crate::record::{
    CheckOutcome, CheckRecord, DifferenceRecord, PublishedFigure, StackDifferences, StackRecord, TopologyRecord,
    VaryingField,
};
use crate::scenario::model::{Check, CheckRequest, Scenario, Stack, Volatile};
use crate::stack::recording::Recording;

/// Starts a stack and runs every check that applies to it. Its logs go into the folder `visit`.
pub(super) async fn check_stack<B: Backend>(
    scenario: &Scenario,
    stack: &Stack,
    visit: &str,
    backend: &mut B,
    observer: &mut dyn RunObserver,
) -> StackRecord {
    let mut record = StackRecord {
        name: stack.name.clone(),
        reference: scenario.is_reference(stack),
        components: Vec::new(),
        topology: Some(TopologyRecord::new(stack)),
        unavailable: backend.missing(stack),
        is_optional: stack.is_optional,
        error: None,
        checks: Vec::new(),
        varying: Vec::new(),
        published: stack.server.kind.published().map(published_figure).collect(),
    };
    if let Some(missing) = &record.unavailable {
        observer.on_event(&RunEvent::Unavailable { stack: &stack.name, missing });
        return record;
    }
    observer.on_event(&RunEvent::Starting { stack: &stack.name });
    let recording = Recording::for_checks(scenario.checks_for(stack));
    let running = match backend.start(stack, &format!("{visit}/{}", stack.name), recording).await {
        Ok(running) => running,
        Err(error) => {
            let error = error_chain(&error);
            observer.on_event(&RunEvent::Failed { stack: &stack.name, error: &error });
            record.error = Some(error);
            return record;
        }
    };
    record.components = backend.describe(&running).components;
    // Hooks that are not called, for example. Only the warnings of lab serve have a known form.
    if stack.server.kind.kind().is_lab() {
        for warning in backend.warnings(&running) {
            let message = format!("warning: stack `{}`: {warning}", stack.name);
            observer.on_event(&RunEvent::Preparing { message: &message });
        }
    }
    let mut sequence = Sequence::default();
    for check in scenario.checks_for(stack) {
        let positions = backend.log_positions(&running);
        let session = sequence.session_of(check);
        let (outcome, upstream) = match session {
            Ok(session) => run_check(check, session, &scenario.volatile, &running, backend).await,
            Err(error) => (CheckOutcome::Failed { error }, UpstreamObservation::default()),
        };
        let observed = match &outcome {
            CheckOutcome::Evaluated { findings, .. } => Ok(findings.as_slice()),
            CheckOutcome::NoResponse { .. } => Ok(&[][..]),
            CheckOutcome::Failed { error } => Err(error.as_str()),
        };
        let status = match &outcome {
            CheckOutcome::Evaluated { observed, .. } => Some(observed.status),
            CheckOutcome::NoResponse { .. } | CheckOutcome::Failed { .. } => None,
        };
        let request = summary(&check.request);
        let event =
            RunEvent::Checked { stack: &stack.name, check: &check.name, request: &request, status, outcome: observed };
        observer.on_event(&event);
        let mut checked = CheckRecord {
            name: check.name.clone(),
            request,
            outcome,
            received: upstream.received.and_then(Result::ok),
            app: upstream.app.and_then(Result::ok),
            logs: Vec::new(),
        };
        sequence.add(check, checked.passed());
        if !checked.passed() {
            checked.logs = backend.logged_since(&running, &positions).await;
        }
        record.checks.push(checked);
    }
    if let Err(error) = backend.stop(running).await {
        let error = error_chain(&error);
        observer.on_event(&RunEvent::Failed { stack: &stack.name, error: &error });
        record.error = Some(error);
    }
    record
}

fn published_figure(published: &kind::Published) -> PublishedFigure {
    let kind::Published { figure, unit, what, year, source, conditions, variant: _ } = published.clone();
    PublishedFigure { figure, unit, what, year, source, conditions }
}

/// The sequence whose steps are being sent, and what they share. A check outside a sequence is one by itself.
#[derive(Default)]
struct Sequence {
    name: Option<String>,
    session: Session,
    /// The first step that failed.
    failed: Option<String>,
}

impl Sequence {
    /// The session of a check, which is fresh unless the check continues this sequence.
    ///
    /// # Errors
    /// An earlier step has failed, so this one would be sent without its cookies and values.
    fn session_of(&mut self, check: &Check) -> Result<&mut Session, String> {
        if check.sequence.is_none() || check.sequence != self.name {
            *self = Sequence { name: check.sequence.clone(), ..Sequence::default() };
        }
        match &self.failed {
            Some(step) => Err(format!("not sent, because an earlier step failed: {step}")),
            None => Ok(&mut self.session),
        }
    }

    fn add(&mut self, check: &Check, has_passed: bool) {
        if !has_passed && self.failed.is_none() {
            self.failed = Some(check.name.clone());
        }
    }
}

/// The outcome of a check, and its request behind the proxy.
async fn run_check<B: Backend>(
    check: &Check,
    session: &mut Session,
    volatile: &Volatile,
    running: &B::Running,
    backend: &mut B,
) -> (CheckOutcome, UpstreamObservation) {
    let redaction = backend.describe(running).redaction;
    match exchange(&check.request, session, running, backend).await {
        Ok(Exchange { request, mut observed, upstream, values, transfer }) => {
            observed.conditional = validate(&request, &observed, running, backend).await;
            let mut findings = evaluate(&check.expect, &observed, &upstream, &values, &transfer);
            if let Err(missing) = session.extract(&check.extract, &observed) {
                findings.extend(missing.into_iter().map(|name| CheckFinding {
                    field: format!("extract.{name}"),
                    expected: "a value".to_owned(),
                    observed: "none in the response".to_owned(),
                    agrees: false,
                }));
            }
            let observed = volatile::replace(volatile, redaction.apply(&normalize(&observed)));
            (CheckOutcome::Evaluated { findings, observed }, upstream)
        }
        Err(error @ ProbeError::Timeout { .. }) if check.expect.unanswered => {
            let message = redaction.text(&error_chain(&error));
            (CheckOutcome::NoResponse { message }, UpstreamObservation::default())
        }
        Err(error) => {
            let error = redaction.text(&error_chain(&error));
            (CheckOutcome::Failed { error }, UpstreamObservation::default())
        }
    }
}

/// Sends the validators of a response back. Returns the fields of these requests with the status of each response.
async fn validate<B: Backend>(
    request: &CheckRequest,
    observed: &Observed,
    running: &B::Running,
    backend: &mut B,
) -> Vec<(String, String)> {
    let mut statuses = Vec::new();
    for (field, request) in conditional::requests(request, observed) {
        let status = match backend.probe(running, &request).await {
            Ok(probed) => probed.observed.status.to_string(),
            Err(_) => "no response".to_owned(),
        };
        statuses.push((field.to_owned(), status));
    }
    statuses
}

/// A request's method and target, or the first line of a raw one.
fn summary(request: &CheckRequest) -> String {
    match request {
        CheckRequest::Composed { method, target, .. } => format!("{method} {}", target.source()),
        CheckRequest::Raw(template) => {
            let text = template.source();
            text.lines().next().unwrap_or_default().to_owned()
        }
    }
}

/// Enters what a second visit to a stack has shown into the record of the first: the fields that vary, and the checks
/// that fail only once. Returns the volatile list that leaves the varying fields out, as far as one does.
pub(super) fn enter_second_visit(first: &mut StackRecord, again: StackRecord) -> Volatile {
    let mut suggested = Volatile::default();
    let mut varying_fields = Vec::new();
    for (check, before, after) in common_checks(first, &again) {
        for difference in differences(before, after) {
            let volatile = varying::volatile(&difference, before, after);
            let is_volatile = volatile.is_some();
            suggested.add(volatile.unwrap_or_default());
            let check = check.to_owned();
            varying_fields.push(VaryingField { check, field: difference.field, is_volatile });
        }
    }
    first.varying = varying_fields;
    // A check has to pass whenever it is sent, and a stack has to start whenever it is started.
    for (check, again) in first.checks.iter_mut().zip(again.checks) {
        if check.passed() && !again.passed() {
            *check = again;
        }
    }
    if first.error.is_none() {
        first.error = again.error.map(|error| format!("at the second start: {error}"));
    }
    suggested
}

/// What each stack changes relative to its reference, over the checks that both ran. Stacks without a common check are
/// left out, because they would appear to be equal.
pub(super) fn compare_stacks(scenario: &Scenario, stacks: &[StackRecord]) -> Vec<StackDifferences> {
    let available = |name: &str| stacks.iter().find(|stack| stack.name == name && stack.unavailable.is_none());
    let has_check = |other: &StackRecord, name: &str| other.checks.iter().any(|check| check.name == name);
    let is_comparable = |reference: &StackRecord, other: &StackRecord| {
        reference.checks.is_empty() || reference.checks.iter().any(|check| has_check(other, &check.name))
    };
    let compared = scenario.stacks.iter().filter_map(|stack| {
        let reference = available(&scenario.reference_of(stack)?.name)?;
        let other = available(&stack.name).filter(|other| is_comparable(reference, other))?;
        let differences = match &scenario.comparison {
            None => stack_differences(reference, other, &|_, _| true),
            Some(_) => version_differences(reference, other),
        };
        Some(StackDifferences { stack: other.name.clone(), reference: reference.name.clone(), differences })
    });
    compared.collect()
}

/// The differences between two versions of a stack, without the fields that vary by themselves.
fn version_differences(base: &StackRecord, head: &StackRecord) -> Vec<DifferenceRecord> {
    let varies = |check: &str, field: &str| {
        let mut varying = base.varying.iter().chain(&head.varying);
        varying.any(|one| one.check == check && one.field == field)
    };
    let is_change = |check: &str, difference: &Difference| !varies(check, &difference.field);
    stack_differences(base, head, &is_change)
}

fn stack_differences(
    reference: &StackRecord,
    other: &StackRecord,
    is_change: &dyn Fn(&str, &Difference) -> bool,
) -> Vec<DifferenceRecord> {
    let mut found: Vec<DifferenceRecord> = Vec::new();
    for (check, expected, observed) in common_checks(reference, other) {
        for difference in differences(expected, observed).into_iter().filter(|one| is_change(check, one)) {
            match found.iter_mut().find(|seen| seen.difference == difference) {
                Some(seen) => seen.checks += 1,
                None => found.push(DifferenceRecord { check: check.to_owned(), checks: 1, difference }),
            }
        }
    }
    found
}

/// The checks to which both stacks responded, with their responses.
fn common_checks<'a>(
    reference: &'a StackRecord,
    other: &'a StackRecord,
) -> impl Iterator<Item = (&'a str, &'a Observed, &'a Observed)> {
    other.checks.iter().filter_map(move |check| {
        let expected = reference.checks.iter().find(|expected| expected.name == check.name)?;
        let CheckOutcome::Evaluated { observed, .. } = &check.outcome else { return None };
        let CheckOutcome::Evaluated { observed: expected, .. } = &expected.outcome else { return None };
        Some((check.name.as_str(), expected, observed))
    })
}
