//! A run as test suites: a suite of checks for each stack, one of rounds, and the gate's.

use super::checks::{first_line, logged_lines};
use super::verdict::{limit_grounds, limit_name, metric_grounds, metric_name, verdict_word};
use crate::record::{CheckOutcome, CheckRecord, FactsVerdict, Record, RoundOutcome, StackRecord, Verdict};
use crate::report::numbers::counted;
use crate::scenario::model::head_name;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestSuite {
    pub name: String,
    pub cases: Vec<TestCase>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestCase {
    pub name: String,
    pub subject: Subject,
    pub outcome: TestOutcome,
}

/// What a case is about, for those that want to show where it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// The start of a stack.
    Stack(String),
    Check {
        stack: String,
        check: String,
        /// Method and target.
        request: String,
    },
    Load(String),
    /// Facts, margins and limits.
    Gate,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TestOutcome {
    /// With what there is to say about it.
    Passed { note: String },
    Failed {
        /// One line.
        message: String,
        details: String,
    },
    /// It could not be tested.
    Errored {
        /// One line.
        message: String,
        details: String,
    },
    /// It need not be tested, or the run does not decide it.
    Skipped { message: String },
}

/// What a record does not have.
#[derive(Debug, Clone, Copy, Default)]
pub struct RunContext {
    /// Whether the exit code depends on the gate. Otherwise its suite is left out.
    pub is_gated: bool,
}

impl RunContext {
    /// As the command line of the run says.
    #[must_use]
    pub fn from_command(record: &Record) -> RunContext {
        RunContext { is_gated: record.provenance.command.iter().any(|argument| argument == "--gate") }
    }
}

/// All suites of a run. They have a failure or an error exactly if `lab run` exits with 3 or 4.
#[must_use]
pub fn test_suites(record: &Record, context: RunContext) -> Vec<TestSuite> {
    let mut suites: Vec<TestSuite> = record.stacks.iter().map(checks).collect();
    suites.push(TestSuite { name: "load".to_owned(), cases: loads(record) });
    if context.is_gated {
        suites.push(TestSuite { name: "gate".to_owned(), cases: gate(record) });
    }
    suites.retain(|suite| !suite.cases.is_empty());
    suites
}

fn checks(stack: &StackRecord) -> TestSuite {
    let start = match (&stack.unavailable, &stack.error) {
        (Some(reason), _) if stack.is_optional => TestOutcome::Skipped { message: first_line(reason).to_owned() },
        (Some(reason), _) | (None, Some(reason)) => TestOutcome::errored(reason),
        (None, None) => TestOutcome::passed(),
    };
    let subject = Subject::Stack(stack.name.clone());
    let start = TestCase { name: "the stack starts".to_owned(), subject, outcome: start };
    // What was wrong before the change is not its fault.
    let is_earlier = head_name(&stack.name).is_some();
    let checks = stack.checks.iter().map(|check| {
        let outcome = match check_outcome(check) {
            TestOutcome::Failed { message, .. } if is_earlier => TestOutcome::Skipped { message },
            outcome => outcome,
        };
        let subject =
            Subject::Check { stack: stack.name.clone(), check: check.name.clone(), request: check.request.clone() };
        TestCase { name: check.name.clone(), subject, outcome }
    });
    TestSuite { name: format!("checks of {}", stack.name), cases: std::iter::once(start).chain(checks).collect() }
}

fn check_outcome(check: &CheckRecord) -> TestOutcome {
    match outcome_without_logs(check) {
        TestOutcome::Failed { message, mut details } => {
            for log in logged_lines(check) {
                let lines: String = log.lines.iter().map(|line| format!("\n  | {line}")).collect();
                details.push_str(&format!("\n{}{lines}", log.title));
            }
            TestOutcome::Failed { message, details }
        }
        outcome => outcome,
    }
}

fn outcome_without_logs(check: &CheckRecord) -> TestOutcome {
    match &check.outcome {
        CheckOutcome::NoResponse { message } => TestOutcome::Passed { note: message.clone() },
        CheckOutcome::Failed { error } => {
            TestOutcome::Failed { message: format!("{}: no response", check.request), details: error.clone() }
        }
        CheckOutcome::Evaluated { findings, .. } => {
            let failed: Vec<_> = findings.iter().filter(|finding| !finding.agrees).collect();
            if failed.is_empty() {
                return TestOutcome::passed();
            }
            let fields: Vec<&str> = failed.iter().map(|finding| finding.field.as_str()).collect();
            let details: Vec<String> = failed
                .iter()
                .map(|finding| {
                    format!("{}\n  - expected  {}\n  + observed  {}", finding.field, finding.expected, finding.observed)
                })
                .collect();
            TestOutcome::Failed {
                message: format!("{}: {}", check.request, fields.join(", ")),
                details: details.join("\n"),
            }
        }
    }
}

/// A case for each stack under each load, and one for the failed requests of all.
fn loads(record: &Record) -> Vec<TestCase> {
    let mut pairs: Vec<(&str, &str)> = Vec::new();
    for round in &record.rounds {
        let pair = (round.stack.as_str(), round.load.as_str());
        if !pairs.contains(&pair) {
            pairs.push(pair);
        }
    }
    let case = |(stack, load): &(&str, &str)| TestCase {
        name: format!("{stack} under {load}"),
        subject: Subject::Load((*load).to_owned()),
        outcome: load_outcome(record, stack, load),
    };
    let mut cases: Vec<TestCase> = pairs.iter().map(case).collect();
    if !record.rounds.is_empty() {
        let subject = Subject::Gate;
        cases.push(TestCase { name: "failed requests".to_owned(), subject, outcome: failed_requests(record) });
    }
    cases
}

fn load_outcome(record: &Record, stack: &str, load: &str) -> TestOutcome {
    let is_validation = record.validations.iter().any(|validation| validation.by == load);
    let mut reason = "no round is valid";
    for round in record.rounds.iter().filter(|round| round.stack == stack && round.load == load) {
        match &round.outcome {
            // A cross-validation by a program that is not installed is left out.
            RoundOutcome::Unavailable { missing } if is_validation => {
                return TestOutcome::Skipped { message: missing.clone() };
            }
            RoundOutcome::Unavailable { missing: error } | RoundOutcome::Failed { error } => reason = error,
            RoundOutcome::Measured(measured) if measured.is_valid() => return TestOutcome::passed(),
            RoundOutcome::Measured(_) => {}
        }
    }
    TestOutcome::errored(reason)
}

/// Failed requests that were reviewed and committed are facts like any other.
fn failed_requests(record: &Record) -> TestOutcome {
    let message = format!("{} under load", counted(record.gate.errors_under_load as usize, "error"));
    match (record.gate.errors_under_load, record.gate.facts) {
        (0, _) => TestOutcome::passed(),
        (_, FactsVerdict::Same) => TestOutcome::Passed { note: format!("{message}, as in the snapshot") },
        _ => TestOutcome::Failed { message, details: String::new() },
    }
}

fn gate(record: &Record) -> Vec<TestCase> {
    let gate = &record.gate;
    let mut cases = Vec::new();
    let mut case =
        |name: &str, outcome| cases.push(TestCase { name: name.to_owned(), subject: Subject::Gate, outcome });
    match gate.missing_snapshots.as_slice() {
        [] if gate.facts == FactsVerdict::NotCompared => {}
        [] => case("committed snapshots", TestOutcome::passed()),
        missing => {
            let message = "the gate has nothing to compare with".to_owned();
            case("committed snapshots", TestOutcome::Failed { message, details: missing.join("\n") });
        }
    }
    match gate.facts {
        FactsVerdict::NotCompared | FactsVerdict::New => {}
        FactsVerdict::Same => case("exact facts", TestOutcome::passed()),
        FactsVerdict::Changed if record.comparison.is_some() => {
            let message = "different from the earlier version".to_owned();
            case("exact facts", TestOutcome::Failed { message, details: version_differences(record) });
        }
        FactsVerdict::Changed => {
            let message = "different from the snapshot".to_owned();
            let details = gate.facts_difference.clone().unwrap_or_default();
            case("exact facts", TestOutcome::Failed { message, details });
        }
    }
    for metric in &gate.metrics {
        case(&metric_name(metric), verdict_outcome(metric.verdict, &metric_grounds(record, metric)));
    }
    for limit in &gate.limits {
        case(&limit_name(limit), verdict_outcome(limit.verdict, &limit_grounds(record, limit)));
    }
    cases
}

/// Every field in which two versions of a stack differ.
fn version_differences(record: &Record) -> String {
    let lines = record.differences.iter().flat_map(|of_stack| {
        of_stack.differences.iter().map(move |found| {
            let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "(none)".to_owned());
            let (before, now) = (value(&found.difference.reference), value(&found.difference.other));
            format!("{} of {}, in {}\n  - {before}\n  + {now}", found.difference.field, of_stack.stack, found.check)
        })
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn verdict_outcome(verdict: Verdict, grounds: &str) -> TestOutcome {
    let text = format!("{}{grounds}", verdict_word(verdict));
    match verdict {
        Verdict::Pass | Verdict::Improved => TestOutcome::Passed { note: text },
        Verdict::Fail => TestOutcome::Failed { message: text, details: String::new() },
        Verdict::Inconclusive | Verdict::Incomparable | Verdict::Invalid => TestOutcome::Skipped { message: text },
    }
}

impl TestOutcome {
    fn passed() -> TestOutcome {
        TestOutcome::Passed { note: String::new() }
    }

    fn errored(reason: &str) -> TestOutcome {
        TestOutcome::Errored { message: first_line(reason).to_owned(), details: reason.to_owned() }
    }
}
