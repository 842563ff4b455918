//! Is it right? Which stacks there are, what they passed, and what was not as expected.

use std::fmt::Write as _;

use super::terminal::{BAD, GOOD, QUIET, TITLE, WIDTH, has_many_stacks, indented, listed, styled, table};
use crate::record::{CheckOutcome, CheckRecord, Record, StackRecord};

/// Every stack with its checks, and what went wrong.
pub(super) fn section(text: &mut String, record: &Record) {
    let _ = writeln!(text, "{}", styled(TITLE, "Is it right?"));
    if has_many_stacks(record) {
        together(text, record);
    } else {
        one_by_one(text, record);
    }
    text.push('\n');
}

fn one_by_one(text: &mut String, record: &Record) {
    for stack in &record.stacks {
        let _ = writeln!(text, "  {}  {}  {}", stack.name, verdict_on(stack), styled(QUIET, &parts(stack)));
    }
    for stack in &record.stacks {
        // The first line stands above.
        if let Some(missing) = stack.unavailable.as_ref().filter(|missing| missing.contains('\n')) {
            let _ = writeln!(text, "\n{} {}: {missing}", styled(QUIET, "unavailable"), stack.name);
        }
        if let Some(error) = &stack.error {
            let _ = writeln!(text, "\n{} {}: {error}", styled(BAD, "could not run"), stack.name);
        }
        for check in stack.checks.iter().filter(|check| !check.passed()) {
            text.push('\n');
            text.push_str(&failed_check(&stack.name, check));
        }
    }
}

/// The same for many: first those that were there, then what failed, each failure once with the stacks that show it, and
/// at last a line for each stack that was not there.
fn together(text: &mut String, record: &Record) {
    let (there, missing): (Vec<_>, Vec<_>) = record.stacks.iter().partition(|stack| stack.unavailable.is_none());
    let mut table = table(&["stack", "version", "checks"]);
    for stack in &there {
        table.add_row([stack.name.clone(), parts(stack), verdict_on(stack)]);
    }
    if !there.is_empty() {
        let _ = writeln!(text, "{}", indented(&table));
    }
    let mut failures: Vec<(&CheckRecord, Vec<&str>)> = Vec::new();
    for stack in &there {
        for check in stack.checks.iter().filter(|check| !check.passed()) {
            match failures.iter_mut().find(|(known, _)| shows_the_same(known, check)) {
                Some((_, stacks)) => stacks.push(&stack.name),
                None => failures.push((check, vec![&stack.name])),
            }
        }
    }
    for (check, stacks) in failures {
        text.push('\n');
        text.push_str(&failed_check(&listed(&stacks, WIDTH), check));
    }
    let first_line = |reason: &str| reason.lines().next().unwrap_or_default().to_owned();
    let errors = there.iter().filter_map(|stack| Some((stack, stack.error.as_deref()?)));
    for (index, (stack, error)) in errors.enumerate() {
        text.push_str(if index == 0 { "\n" } else { "" });
        let _ = writeln!(text, "  {} {}: {}", styled(BAD, "could not run"), stack.name, first_line(error));
    }
    for (index, stack) in missing.iter().enumerate() {
        text.push_str(if index == 0 { "\n" } else { "" });
        let _ = writeln!(text, "  {}: {}", stack.name, verdict_on(stack));
    }
    if record.stacks.iter().any(|stack| is_longer(stack.error.as_ref()) || is_longer(stack.unavailable.as_ref())) {
        let _ = writeln!(text, "  {}", styled(QUIET, "of longer reasons the first line; the whole is in the record"));
    }
}

fn is_longer(reason: Option<&String>) -> bool {
    reason.is_some_and(|reason| reason.contains('\n'))
}

/// Whether two failures of one check would be told in the same words.
fn shows_the_same(one: &CheckRecord, other: &CheckRecord) -> bool {
    one.name == other.name
        && match (&one.outcome, &other.outcome) {
            (CheckOutcome::Judged { findings: a, .. }, CheckOutcome::Judged { findings: b, .. }) => a == b,
            (CheckOutcome::Failed { error: a }, CheckOutcome::Failed { error: b }) => a == b,
            _ => false,
        }
}

fn parts(stack: &StackRecord) -> String {
    let parts: Vec<String> =
        stack.components.iter().map(|component| format!("{} {}", component.role, component.version)).collect();
    parts.join(" → ")
}

fn verdict_on(stack: &StackRecord) -> String {
    if let Some(missing) = &stack.unavailable {
        let first = missing.lines().next().unwrap_or_default();
        return styled(if stack.is_optional { QUIET } else { BAD }, &format!("unavailable: {first}"));
    }
    if stack.error.is_some() {
        return styled(BAD, "could not run");
    }
    let failed = stack.checks.iter().filter(|check| !check.passed()).count();
    match (failed, stack.checks.len()) {
        (_, 0) => styled(QUIET, "no checks"),
        (0, count) => styled(GOOD, &format!("{count} of {count} checks passed")),
        (failed, count) => styled(BAD, &format!("{failed} of {count} checks failed")),
    }
}

/// A failed check, field by field: what was expected (`-`) and what was seen (`+`), then what agreed.
fn failed_check(stack: &str, check: &CheckRecord) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "{} {stack}: {}  {}", styled(BAD, "FAIL"), check.name, styled(QUIET, &check.request));
    match &check.outcome {
        // Never a failure: it is what was expected.
        CheckOutcome::Unanswered { .. } => {}
        CheckOutcome::Failed { error } => {
            let _ = writeln!(text, "  no answer: {error}");
        }
        CheckOutcome::Judged { findings, .. } => {
            for finding in findings.iter().filter(|finding| !finding.agrees) {
                let _ = writeln!(text, "  {}", finding.field);
                let _ = writeln!(text, "    {}", styled(GOOD, &format!("- expected  {}", finding.expected)));
                let _ = writeln!(text, "    {}", styled(BAD, &format!("+ observed  {}", finding.observed)));
            }
            let agreeing: Vec<&str> =
                findings.iter().filter(|finding| finding.agrees).map(|finding| finding.field.as_str()).collect();
            if !agreeing.is_empty() {
                let _ = writeln!(text, "  {}", styled(QUIET, &format!("as expected: {}", agreeing.join(", "))));
            }
        }
    }
    text
}
