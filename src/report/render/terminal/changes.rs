//! What do stacks change, compared with the reference?

use std::fmt::Write as _;

use super::style::{LIST_WIDTH, TITLE, rendered, rendered_in_groups, styled, wrapped_list};
use crate::record::{Record, StackDifferences};
use crate::report::view::changes::{StackSet, distinct_changes, unchanged, value_cell};
use crate::report::view::provenance::has_many_stacks;
use crate::report::view::text_table::{TextTable, owned_cells};

/// A table for each stack, or one for all if there are many.
pub(super) fn section(text: &mut String, record: &Record, width: usize) {
    if record.comparison.is_some() {
        versions(text, &record.differences, width);
    } else if has_many_stacks(record) {
        all_stacks(text, &record.differences, width);
    } else {
        record.differences.iter().for_each(|differences| one_stack(text, differences, width));
    }
}

/// The stacks that have changed, and the names of the others.
fn versions(text: &mut String, all: &[StackDifferences], width: usize) {
    all.iter().filter(|found| !found.differences.is_empty()).for_each(|found| one_stack(text, found, width));
    let unchanged = unchanged(all);
    if !unchanged.is_empty() {
        let names = wrapped_list(&unchanged, LIST_WIDTH).replace('\n', "\n      ");
        let _ = writeln!(text, "{}\n  {names}\n", styled(TITLE, "No difference in any check"));
    }
}

fn all_stacks(text: &mut String, all: &[StackDifferences], width: usize) {
    let Some(first) = all.first() else { return };
    let heading = format!("What do the others change, compared with {}?", first.reference);
    let _ = writeln!(text, "{}", styled(TITLE, &heading));
    let changes = distinct_changes(all);
    let rows = changes.iter().map(|change| {
        let stacks = stack_cell(&StackSet::new(&change.stacks, all), width);
        vec![change.field.to_owned(), value_cell(change.reference), value_cell(change.other), stacks]
    });
    let header = owned_cells(&["field", &first.reference, "other value", "stacks"]);
    let view = TextTable { title: String::new(), header, rows: rows.collect() };
    if !changes.is_empty() {
        let _ = writeln!(text, "{}", rendered_in_groups(&view, 2, width));
    }
    let unchanged = unchanged(all);
    if !unchanged.is_empty() {
        let names = wrapped_list(&unchanged, LIST_WIDTH).replace('\n', "\n      ");
        let _ = writeln!(text, "  no difference in any common check: {names}");
    }
    text.push('\n');
}

fn stack_cell(stacks: &StackSet<'_>, width: usize) -> String {
    const MAX_WIDTH: usize = 56;
    const ALL_BUT: &str = "all but ";
    let width = MAX_WIDTH.min(width / 2);
    match stacks {
        StackSet::All => "all".to_owned(),
        StackSet::AllBut(others) => {
            format!("{ALL_BUT}{}", wrapped_list(others, width.saturating_sub(ALL_BUT.len())))
        }
        StackSet::Only(stacks) => wrapped_list(stacks, width),
    }
}

fn one_stack(text: &mut String, found: &StackDifferences, width: usize) {
    let heading = format!("What does {} change, compared with {}?", found.stack, found.reference);
    let _ = writeln!(text, "{}", styled(TITLE, &heading));
    if found.differences.is_empty() {
        let _ = writeln!(text, "  no difference in any common check\n");
        return;
    }
    let rows = found.differences.iter().map(|seen| {
        let difference = &seen.difference;
        let mark = match (&difference.reference, &difference.other) {
            (None, _) => "+",
            (_, None) => "-",
            _ => "~",
        };
        vec![
            format!("{mark} {}", difference.field),
            value_cell(difference.reference.as_deref()),
            value_cell(difference.other.as_deref()),
            seen.checks.to_string(),
        ]
    });
    let header = owned_cells(&["field", &found.reference, &found.stack, "checks"]);
    let view = TextTable { title: String::new(), header, rows: rows.collect() };
    let _ = writeln!(text, "{}\n", rendered(&view, 3..4, width));
}
