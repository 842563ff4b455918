//! The rankings of two runs, and whether they agree.

use std::fmt::Write as _;

use super::style::{BAD, GOOD, QUIET, TITLE, UNSURE, rendered, styled};
use super::wrap::wrapped;
use crate::report::view::repeatability::words::{TABLES, disagreements, distance, loads, rows, verdict};
use crate::report::view::repeatability::{MetricRepeatability, Repeatability};
use crate::report::view::text_table::TextTable;

/// The comparison, whose tables are at most `width` characters wide.
#[must_use]
pub fn render(repeatability: &Repeatability, width: usize) -> String {
    let [first, second] = &repeatability.runs;
    let mut text = format!("{}\n", styled(TITLE, &format!("Does {second} repeat {first}?")));
    for condition in &repeatability.changed_conditions {
        let _ = writeln!(text, "  {}", styled(UNSURE, condition));
    }
    if repeatability.metrics.is_empty() {
        let _ = writeln!(text, "  {}", styled(BAD, "the runs have no ranked metric in common"));
    }
    for load in loads(repeatability) {
        let _ = writeln!(text, "\n{}", styled(TITLE, load));
        let metrics: Vec<&MetricRepeatability> = repeatability.metrics.iter().filter(|one| one.load == load).collect();
        for one in &metrics {
            let style = match one.agrees() {
                Some(true) => GOOD,
                None => UNSURE,
                Some(false) => BAD,
            };
            let _ = writeln!(
                text,
                "  {:<16} {}{}",
                one.metric,
                styled(style, &verdict(one)),
                styled(QUIET, &distance(one))
            );
            for line in disagreements(one) {
                let _ = writeln!(text, "    {line}");
            }
        }
        let header = std::iter::once("stack").chain(metrics.iter().map(|one| one.metric.as_str()));
        let header: Vec<String> = header.map(str::to_owned).collect();
        for (title, cell) in TABLES {
            let view = TextTable { title: title.to_owned(), header: header.clone(), rows: rows(&metrics, cell) };
            let rows = rendered(&view, 1..header.len(), width);
            let _ = writeln!(text, "  {}\n{rows}", styled(QUIET, title));
        }
    }
    wrapped(&text, width, None)
}
