//! The rankings of two runs, and whether they agree.

use std::fmt::Write as _;

use super::table::{escaped, table};
use crate::report::view::repeatability::words::{TABLES, disagreements, distance, in_one_only, loads, rows, verdict};
use crate::report::view::repeatability::{MetricRepeatability, Repeatability};

/// Explains the verdicts.
const AGREEMENT_NOTE: &str = "Runs agree if no two stacks are told apart in opposite orders, the two rank ranges of every \
                              stack overlap, and no medians are too far apart.";

#[must_use]
pub fn render(repeatability: &Repeatability) -> String {
    let [first, second] = &repeatability.runs;
    let mut text = format!("# Repeatability\n\nThe second run, `{second}`, compared with the first, `{first}`.");
    for condition in &repeatability.changed_conditions {
        let _ = write!(text, " Note that {}.", escaped(condition));
    }
    let _ = writeln!(text, " {AGREEMENT_NOTE}");
    for load in loads(repeatability) {
        let _ = writeln!(text, "\n## {}\n", escaped(load));
        let metrics: Vec<&MetricRepeatability> = repeatability.metrics.iter().filter(|one| one.load == load).collect();
        for one in &metrics {
            let mark = if one.agrees() == Some(true) { "" } else { "**" };
            let _ =
                writeln!(text, "- {}: {mark}{}{mark}{}", escaped(&one.metric), verdict(one), escaped(&distance(one)));
            for line in disagreements(one).into_iter().chain(in_one_only(one)) {
                let _ = writeln!(text, "  - {}", escaped(&line));
            }
        }
        let header: Vec<String> =
            std::iter::once("stack".to_owned()).chain(metrics.iter().map(|one| escaped(&one.metric))).collect();
        let header: Vec<&str> = header.iter().map(String::as_str).collect();
        for (title, cell) in TABLES {
            let mut rows = rows(&metrics, cell);
            rows.iter_mut().flatten().for_each(|cell| *cell = escaped(cell));
            let _ = writeln!(text, "\n{}:\n\n{}", capitalised(title), table(&header, &rows));
        }
    }
    text
}

fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}
