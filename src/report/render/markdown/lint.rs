//! Findings of `lab lint`, for a job summary.

use std::fmt::Write as _;

use super::table::{escaped, table};
use crate::lint::{Finding, Severity};

/// A table of the findings below `summary`, their number in words.
#[must_use]
pub fn render(findings: &[Finding], summary: &str) -> String {
    let is_fault = |finding: &Finding| finding.severity != Severity::Advice;
    let mark = if findings.iter().any(is_fault) { "❌" } else { "✅" };
    let mut text = format!("# {mark} lab lint: {}\n\n", escaped(summary));
    let rows: Vec<[String; 4]> = findings
        .iter()
        .map(|finding| {
            let place = format!("{}:{}", finding.location.file.display(), finding.location.line);
            let message = format!("{}: {}", finding.message, finding.why);
            [&place, finding.rule, &message, &finding.fix].map(escaped)
        })
        .collect();
    if !rows.is_empty() {
        let _ = writeln!(text, "{}\n", table(&["line", "rule", "finding", "fix"], &rows));
    }
    text
}
