//! A run at a glance, after the report.

use std::fmt::Write as _;

use super::style::{BAD, GOOD, QUIET, TITLE, UNSURE, rendered, styled};
use super::wrap::wrapped;
use crate::record::Record;
use crate::report::view::run_summary::RunSummary;
use crate::report::view::test_suites::RunContext;
use crate::report::view::versions::Tone;

/// The width that the summary fits, on wider terminals as well.
const WIDTH: usize = 100;

/// The lines of the summary, for a terminal that is `width` characters wide.
#[must_use]
pub fn render(record: &Record, context: RunContext, width: usize) -> String {
    let mut text = String::new();
    let summary = RunSummary::new(record, context);
    let _ = writeln!(text, "{}", styled(TITLE, "In short"));
    if let Some(table) = &summary.table {
        let _ = writeln!(text, "{}", rendered(table, 3..table.header.len(), width.min(WIDTH)));
        let _ = writeln!(text, "  {}", styled(QUIET, &table.title));
    }
    if summary.left_out > 0 {
        let _ = writeln!(text, "  {}", styled(QUIET, &format!("{} more lines are in the page", summary.left_out)));
    }
    let style = match summary.answer.tone {
        Tone::Good => GOOD,
        Tone::Bad => BAD,
        Tone::Unsure => UNSURE,
    };
    let _ = writeln!(text, "  {}", styled(style, &summary.answer.text));
    wrapped(&text, width.min(WIDTH), None)
}
