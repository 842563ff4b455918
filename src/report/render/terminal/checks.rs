//! Is it right? The stacks, their checks and every failure.

use std::fmt::Write as _;

use super::style::{BAD, GOOD, LIST_WIDTH, QUIET, TITLE, rendered_within, styled, visible_width, wrapped_list};
use crate::record::{CheckOutcome, CheckRecord, Record, StackRecord};
use crate::report::view::checks::{CheckStatus, components, distinct_failures, first_line, logged_lines};
use crate::report::view::provenance::has_many_stacks;
use crate::report::view::text_table::{TextTable, owned_cells};

/// The first status that says that the server failed.
const FIRST_SERVER_ERROR: u16 = 500;
/// Lines of a body, and their length, that a failure shows.
const BODY_LINES: usize = 5;
const LINE_CHARS: usize = 160;

pub(super) fn section(text: &mut String, record: &Record, width: usize) {
    let _ = writeln!(text, "{}", styled(TITLE, "Is it right?"));
    if has_many_stacks(record) {
        all_stacks(text, record, width);
    } else {
        each_stack(text, record, width);
    }
    text.push('\n');
}

fn each_stack(text: &mut String, record: &Record, width: usize) {
    for stack in &record.stacks {
        stack_lines(text, stack, width);
    }
    for stack in &record.stacks {
        // The status above has the first line.
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

/// A stack with its status and its components, in one line, or in two if that is too long.
fn stack_lines(text: &mut String, stack: &StackRecord, width: usize) {
    let (head, components) = (format!("  {}  {}", stack.name, status(stack)), components(stack));
    let is_short = visible_width(&head) + 2 + visible_width(&components) <= width;
    let separator = if is_short || components.is_empty() { "  " } else { "\n      " };
    let _ = writeln!(text, "{head}{separator}{}", styled(QUIET, &components));
}

/// A table of the available stacks, each distinct failure once, then a line per stack that could not run or is
/// unavailable.
fn all_stacks(text: &mut String, record: &Record, width: usize) {
    let (available, missing): (Vec<_>, Vec<_>) = record.stacks.iter().partition(|stack| stack.unavailable.is_none());
    let rows = available.iter().map(|stack| vec![stack.name.clone(), components(stack), status(stack)]).collect();
    let header = owned_cells(&["stack", "version", "checks"]);
    match rendered_within(&TextTable { title: String::new(), header, rows }, 0..0, width) {
        _ if available.is_empty() => {}
        Some(table) => {
            let _ = writeln!(text, "{table}");
        }
        // The styled cells of a turned table would not align.
        None => available.iter().for_each(|stack| stack_lines(text, stack, width)),
    }
    for failure in distinct_failures(&available) {
        text.push('\n');
        text.push_str(&failed_check(&wrapped_list(&failure.stacks, LIST_WIDTH), failure.check));
    }
    let errors = available.iter().filter_map(|stack| Some((stack, stack.error.as_deref()?)));
    for (index, (stack, error)) in errors.enumerate() {
        text.push_str(if index == 0 { "\n" } else { "" });
        let _ = writeln!(text, "  {} {}: {}", styled(BAD, "could not run"), stack.name, first_line(error));
    }
    for (index, stack) in missing.iter().enumerate() {
        text.push_str(if index == 0 { "\n" } else { "" });
        let _ = writeln!(text, "  {}: {}", stack.name, status(stack));
    }
    let is_cut = |reason: &Option<String>| reason.as_ref().is_some_and(|reason| reason.contains('\n'));
    if record.stacks.iter().any(|stack| is_cut(&stack.error) || is_cut(&stack.unavailable)) {
        let _ = writeln!(
            text,
            "  {}",
            styled(QUIET, "longer reasons are cut after their first line; the record has all of them")
        );
    }
}

fn status(stack: &StackRecord) -> String {
    match CheckStatus::new(stack) {
        CheckStatus::Unavailable { reason, is_optional } => {
            styled(if is_optional { QUIET } else { BAD }, &format!("unavailable: {reason}"))
        }
        CheckStatus::CouldNotRun => styled(BAD, "could not run"),
        CheckStatus::NoChecks => styled(QUIET, "no checks"),
        CheckStatus::Passed { checks } => styled(GOOD, &format!("{checks} of {checks} checks passed")),
        CheckStatus::Failed { failed, checks } => styled(BAD, &format!("{failed} of {checks} checks failed")),
    }
}

/// A failed check field by field: the expected value (`-`), the observed value (`+`), and the fields that agree.
fn failed_check(stack: &str, check: &CheckRecord) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "{} {stack}: {}  {}", styled(BAD, "FAIL"), check.name, styled(QUIET, &check.request));
    match &check.outcome {
        // This outcome is always an expected one.
        CheckOutcome::NoResponse { .. } => {}
        CheckOutcome::Failed { error } => {
            let _ = writeln!(text, "  no response: {error}");
        }
        CheckOutcome::Evaluated { findings, observed } => {
            if observed.status >= FIRST_SERVER_ERROR {
                let _ = writeln!(text, "  response  {} {}", observed.status, observed.reason);
                let lines = observed.body.lines().filter(|line| !line.trim().is_empty() && !observed.is_binary);
                for line in lines.take(BODY_LINES) {
                    let _ = writeln!(text, "    | {}", line.chars().take(LINE_CHARS).collect::<String>());
                }
            }
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
    for log in logged_lines(check) {
        let _ = writeln!(text, "  {}", styled(QUIET, &log.title));
        for line in &log.lines {
            let _ = writeln!(text, "    | {line}");
        }
    }
    text
}
