//! What failed: stacks and checks with their findings, the difference of the facts, and the verdicts of the gate.

use std::fmt::Write as _;

use anstream::adapter::strip_str;

use super::table::{escaped, fenced, table};
use crate::record::{CheckOutcome, CheckRecord, Record, StackRecord};
use crate::report::view::checks::{distinct_failures, logged_lines};
use crate::report::view::outcome::outcome;
use crate::report::view::test_suites::RunContext;
use crate::report::view::verdict::{limit_grounds, limit_name, metric_grounds, metric_name, verdict_word};
use crate::scenario::model::head_name;

/// The outcome in bold. A comparison of versions has its own section.
pub(super) fn sentence(text: &mut String, record: &Record, context: RunContext) {
    let _ = writeln!(text, "**{}**\n", escaped(&outcome(record, context).text));
}

pub(super) fn section(text: &mut String, record: &Record) {
    // What was wrong before the change is not its fault.
    let stacks: Vec<&StackRecord> = record.stacks.iter().filter(|stack| head_name(&stack.name).is_none()).collect();
    let failures = distinct_failures(&stacks);
    let broken = record.stacks.iter().filter(|stack| stack.error.is_some());
    let broken: Vec<String> = broken.map(could_not_run).collect();
    if !failures.is_empty() || !broken.is_empty() {
        text.push_str("## Failures\n\n");
    }
    broken.iter().for_each(|stack| text.push_str(stack));
    for failure in failures {
        let stacks = failure.stacks.join(", ");
        let _ =
            writeln!(text, "**{}** on {}: {}\n", escaped(&failure.check.name), escaped(&stacks), code(failure.check));
        let _ = writeln!(text, "{}\n", fenced("diff", &findings(failure.check)));
        for log in logged_lines(failure.check) {
            let (title, lines) = (escaped(&log.title), strip_str(&log.lines.join("\n")).to_string());
            let _ = writeln!(text, "<details><summary>{title}</summary>\n\n{}\n\n</details>\n", fenced("", &lines));
        }
    }
    if let Some(difference) = &record.gate.facts_difference {
        let _ = writeln!(text, "## Facts that differ from the snapshot\n\n{}\n", fenced("diff", difference));
    }
    verdicts(text, record);
}

fn could_not_run(stack: &StackRecord) -> String {
    let error = stack.error.as_deref().unwrap_or_default();
    format!("**{}** could not run:\n\n{}\n\n", escaped(&stack.name), fenced("", error))
}

fn code(check: &CheckRecord) -> String {
    // A request's target has no backtick unless somebody tests that, and then the name tells enough.
    format!("`{}`", check.request.replace('`', "'"))
}

/// The findings that failed, in the notation of a difference.
fn findings(check: &CheckRecord) -> String {
    match &check.outcome {
        CheckOutcome::NoResponse { message } => message.clone(),
        CheckOutcome::Failed { error } => format!("- a response\n+ none: {error}"),
        CheckOutcome::Evaluated { findings, .. } => {
            let failed = findings.iter().filter(|finding| !finding.agrees);
            let lines = failed.map(|finding| {
                let [expected, observed] =
                    [&finding.expected, &finding.observed].map(|value| value.replace('\n', " ⏎ "));
                format!("  {}\n- expected  {expected}\n+ observed  {observed}", finding.field)
            });
            lines.collect::<Vec<_>>().join("\n")
        }
    }
}

fn verdicts(text: &mut String, record: &Record) {
    let gate = &record.gate;
    let metrics =
        gate.metrics.iter().map(|metric| (metric_name(metric), metric.verdict, metric_grounds(record, metric)));
    let limits = gate.limits.iter().map(|limit| (limit_name(limit), limit.verdict, limit_grounds(record, limit)));
    let rows: Vec<[String; 3]> = metrics
        .chain(limits)
        .map(|(name, verdict, grounds)| {
            let grounds = grounds.trim_start_matches([' ', ';', ':']);
            [name, verdict_word(verdict).to_owned(), grounds.to_owned()].map(|cell| escaped(&cell))
        })
        .collect();
    if !rows.is_empty() {
        let _ = writeln!(text, "## Verdicts\n\n{}\n", table(&["metric", "verdict", "grounds"], &rows));
    }
    for file in &gate.missing_snapshots {
        let _ = writeln!(text, "- The gate has nothing to compare with: {}\n", escaped(file));
    }
}
