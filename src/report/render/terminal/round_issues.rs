//! The issues of a load's rounds.

use std::fmt::Write as _;

use super::style::{BAD, LIST_WIDTH, QUIET, UNSURE, styled, wrapped_list};
use crate::record::Record;
use crate::report::numbers::counted;
use crate::report::view::round_issues::{self, IssueGroup, StackIssue};

pub(super) fn section(text: &mut String, record: &Record, load: &str) {
    for group in round_issues::groups(record, load) {
        match group.stacks.as_slice() {
            [] => {}
            [StackIssue { stack, rounds, issue }] => {
                let severity = severity(issue.invalidates);
                let _ = writeln!(text, "  {severity} {stack}, {}: {}", counted(*rounds, "round"), issue.message);
            }
            [first, ..] => several_stacks(text, &group, first),
        }
    }
}

fn several_stacks(text: &mut String, group: &IssueGroup<'_>, first: &StackIssue<'_>) {
    let severity = severity(first.issue.invalidates);
    let stacks = counted(group.stacks.len(), "stack");
    let rounds = counted(group.rounds(), "round");
    let example = if group.is_uniform() { String::new() } else { format!(", for example {}", first.stack) };
    let _ = writeln!(text, "  {severity} {stacks}, {rounds}{example}: {}", first.issue.message);
    let name = |one: &StackIssue<'_>| match one.rounds {
        1 => one.stack.to_owned(),
        rounds => format!("{} ({rounds})", one.stack),
    };
    let names: Vec<String> = group.stacks.iter().map(name).collect();
    for line in wrapped_list(&names.iter().map(String::as_str).collect::<Vec<_>>(), LIST_WIDTH).lines() {
        let _ = writeln!(text, "      {}", styled(QUIET, line));
    }
}

fn severity(invalidates: bool) -> String {
    if invalidates { styled(BAD, "invalid") } else { styled(UNSURE, "warning") }
}
