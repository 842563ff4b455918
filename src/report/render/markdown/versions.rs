//! The answer of a comparison of two versions, their differences, and their figures side by side.

use std::fmt::Write as _;

use super::table::{escaped, table};
use crate::record::{ComparedVersions, Record};
use crate::report::view::changes::value_cell;
use crate::report::view::stack_summary::driven_loads;
use crate::report::view::{varying, versions};

pub(super) fn section(text: &mut String, record: &Record, comparison: &ComparedVersions) {
    let _ = writeln!(text, "**{}**\n", escaped(&versions::answer(record).text));
    let _ = writeln!(text, "{}.\n", escaped(&versions::versions(comparison)));
    for note in &comparison.notes {
        let _ = writeln!(text, "- Note: {}.", escaped(note));
    }
    let varying = varying::varying(record);
    if !varying.is_empty() {
        let _ = writeln!(text, "- Not compared, because it varies by itself: {}.", escaped(&varying.join(", ")));
    }
    if let Some(line) = &record.volatile_line {
        let _ = writeln!(text, "- This leaves it out of the facts: `[snapshot]` `{}`", line.replace('`', "` ` `"));
    }
    for found in record.differences.iter().filter(|found| !found.differences.is_empty()) {
        let rows = found.differences.iter().map(|seen| {
            let difference = &seen.difference;
            let [before, now] = [&difference.reference, &difference.other].map(|value| value_cell(value.as_deref()));
            [&difference.field, &before, &now, &seen.check].map(|cell| escaped(cell))
        });
        let rows: Vec<[String; 4]> = rows.collect();
        let header = ["field", "before", "now", "first seen in"];
        let _ = writeln!(text, "\nDifferences of {}:\n\n{}", escaped(&found.stack), table(&header, &rows));
    }
    for load in driven_loads(record) {
        if let Some(view) = versions::table(record, load) {
            let rows: Vec<Vec<String>> =
                view.rows.iter().map(|row| row.iter().map(|cell| escaped(cell)).collect()).collect();
            let title = format!("Under {load}, {}", view.title);
            let _ = writeln!(text, "\n{}:\n\n{}", escaped(&title), table(&view.header(), &rows));
        }
    }
    text.push('\n');
}
