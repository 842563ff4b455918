//! A run as JUnit XML, which CI systems read: a test suite for the checks of each stack, one for the loads, and the gate's.

use anstream::adapter::strip_str;
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use crate::record::Record;
use crate::report::view::test_suites::{self, RunContext, TestOutcome};

/// The XML document.
///
/// # Errors
/// The serialiser failed.
pub fn render(record: &Record, context: RunContext) -> Result<String, quick_junit::SerializeError> {
    let name = &record.provenance.scenario;
    let mut report = Report::new(name.as_str());
    for suite in test_suites::test_suites(record, context) {
        let mut rendered = TestSuite::new(suite.name.as_str());
        for case in suite.cases {
            let mut test_case = TestCase::new(case.name.as_str(), status(&case.outcome));
            test_case.set_classname(format!("{name}.{}", suite.name));
            if let TestOutcome::Passed { note } = &case.outcome
                && !note.is_empty()
            {
                test_case.set_system_out(note.as_str());
            }
            rendered.add_test_case(test_case);
        }
        report.add_test_suite(rendered);
    }
    report.to_string()
}

fn status(outcome: &TestOutcome) -> TestCaseStatus {
    let (mut status, message, details) = match outcome {
        TestOutcome::Passed { .. } => return TestCaseStatus::success(),
        TestOutcome::Skipped { message } => (TestCaseStatus::skipped(), message, ""),
        TestOutcome::Failed { message, details } => {
            (TestCaseStatus::non_success(NonSuccessKind::Failure), message, details.as_str())
        }
        TestOutcome::Errored { message, details } => {
            (TestCaseStatus::non_success(NonSuccessKind::Error), message, details.as_str())
        }
    };
    status.set_message(message.as_str());
    if !details.is_empty() {
        status.set_description(strip_str(details).to_string());
    }
    status
}
