//! The checks of every stack: the overall status of each, and each distinct failure once.

use crate::record::{CheckOutcome, CheckRecord, StackRecord};

/// The outcome of all checks of a stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckStatus<'a> {
    /// The stack cannot run here.
    Unavailable {
        /// The first line of the reason.
        reason: &'a str,
        is_optional: bool,
    },
    CouldNotRun,
    NoChecks,
    Passed {
        checks: usize,
    },
    Failed {
        failed: usize,
        checks: usize,
    },
}

impl<'a> CheckStatus<'a> {
    #[must_use]
    pub fn new(stack: &'a StackRecord) -> CheckStatus<'a> {
        if let Some(missing) = &stack.unavailable {
            return CheckStatus::Unavailable { reason: first_line(missing), is_optional: stack.is_optional };
        }
        if stack.error.is_some() {
            return CheckStatus::CouldNotRun;
        }
        let failed = stack.checks.iter().filter(|check| !check.passed()).count();
        match (failed, stack.checks.len()) {
            (_, 0) => CheckStatus::NoChecks,
            (0, checks) => CheckStatus::Passed { checks },
            (failed, checks) => CheckStatus::Failed { failed, checks },
        }
    }
}

/// The role and version of each component.
#[must_use]
pub fn components(stack: &StackRecord) -> String {
    let components: Vec<String> =
        stack.components.iter().map(|component| format!("{} {}", component.role, component.version)).collect();
    components.join(" → ")
}

/// A failed check, and the stacks that fail it in the same way.
pub struct Failure<'a> {
    pub check: &'a CheckRecord,
    pub stacks: Vec<&'a str>,
}

/// The distinct failures, in the order of the stacks that show them first.
#[must_use]
pub fn distinct_failures<'a>(stacks: &[&'a StackRecord]) -> Vec<Failure<'a>> {
    let mut failures: Vec<Failure<'a>> = Vec::new();
    for stack in stacks {
        for check in stack.checks.iter().filter(|check| !check.passed()) {
            match failures.iter_mut().find(|known| fails_alike(known.check, check)) {
                Some(known) => known.stacks.push(&stack.name),
                None => failures.push(Failure { check, stacks: vec![&stack.name] }),
            }
        }
    }
    failures
}

fn fails_alike(one: &CheckRecord, other: &CheckRecord) -> bool {
    one.name == other.name
        && match (&one.outcome, &other.outcome) {
            (CheckOutcome::Evaluated { findings: a, .. }, CheckOutcome::Evaluated { findings: b, .. }) => a == b,
            (CheckOutcome::Failed { error: a }, CheckOutcome::Failed { error: b }) => a == b,
            _ => false,
        }
}

/// What a component logged since the request of a failed check.
pub struct LoggedLines {
    pub title: String,
    /// The first line says how many are left out before the others, if any are.
    pub lines: Vec<String>,
}

/// The excerpts of the logs of a failed check.
#[must_use]
pub fn logged_lines(check: &CheckRecord) -> Vec<LoggedLines> {
    let excerpts = check.logs.iter().map(|log| {
        let left_out = (log.left_out > 0).then(|| format!("… {} lines before", log.left_out));
        LoggedLines {
            title: format!("logged since the request: {}", log.file.display()),
            lines: left_out.into_iter().chain(log.lines.iter().cloned()).collect(),
        }
    });
    excerpts.collect()
}

#[must_use]
pub fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}
