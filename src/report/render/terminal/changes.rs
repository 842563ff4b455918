//! What do stacks change, compared with the reference?

use std::fmt::Write as _;

use super::style::{LIST_WIDTH, TITLE, indented, right_aligned, styled, table, wrapped_list};
use crate::record::{Record, StackDifferences};
use crate::report::view::changes::{StackSet, distinct_changes, unchanged, value_cell};
use crate::report::view::provenance::has_many_stacks;

/// A table for each stack, or one for all if there are many.
pub(super) fn section(text: &mut String, record: &Record) {
    if record.comparison.is_some() {
        versions(text, &record.differences);
    } else if has_many_stacks(record) {
        all_stacks(text, &record.differences);
    } else {
        record.differences.iter().for_each(|differences| one_stack(text, differences));
    }
}

/// The stacks that have changed, and the names of the others.
fn versions(text: &mut String, all: &[StackDifferences]) {
    all.iter().filter(|found| !found.differences.is_empty()).for_each(|found| one_stack(text, found));
    let unchanged = unchanged(all);
    if !unchanged.is_empty() {
        let names = wrapped_list(&unchanged, LIST_WIDTH).replace('\n', "\n      ");
        let _ = writeln!(text, "{}\n  {names}\n", styled(TITLE, "No difference in any check"));
    }
}

fn all_stacks(text: &mut String, all: &[StackDifferences]) {
    let Some(first) = all.first() else { return };
    let heading = format!("What do the others change, compared with {}?", first.reference);
    let _ = writeln!(text, "{}", styled(TITLE, &heading));
    let changes = distinct_changes(all);
    let mut table = table(&["field", &first.reference, "other value", "stacks"]);
    let mut above = None;
    for change in &changes {
        let key = Some((change.field, change.reference));
        let [field, reference] = match above == key {
            true => [String::new(), String::new()],
            false => [change.field.to_owned(), value_cell(change.reference)],
        };
        above = key;
        table.add_row([field, reference, value_cell(change.other), stack_cell(&StackSet::new(&change.stacks, all))]);
    }
    if !changes.is_empty() {
        let _ = writeln!(text, "{}", indented(&table));
    }
    let unchanged = unchanged(all);
    if !unchanged.is_empty() {
        let names = wrapped_list(&unchanged, LIST_WIDTH).replace('\n', "\n      ");
        let _ = writeln!(text, "  no difference in any common check: {names}");
    }
    text.push('\n');
}

fn stack_cell(stacks: &StackSet<'_>) -> String {
    const WIDTH: usize = 56;
    match stacks {
        StackSet::All => "all".to_owned(),
        StackSet::AllBut(others) => format!("all but {}", wrapped_list(others, WIDTH - "all but ".len())),
        StackSet::Only(stacks) => wrapped_list(stacks, WIDTH),
    }
}

fn one_stack(text: &mut String, found: &StackDifferences) {
    let heading = format!("What does {} change, compared with {}?", found.stack, found.reference);
    let _ = writeln!(text, "{}", styled(TITLE, &heading));
    if found.differences.is_empty() {
        let _ = writeln!(text, "  no difference in any common check\n");
        return;
    }
    let mut table = table(&["", "field", &found.reference, &found.stack, "checks"]);
    for seen in &found.differences {
        let difference = &seen.difference;
        let mark = match (&difference.reference, &difference.other) {
            (None, _) => "+",
            (_, None) => "-",
            _ => "~",
        };
        table.add_row([
            mark.to_owned(),
            difference.field.clone(),
            value_cell(difference.reference.as_deref()),
            value_cell(difference.other.as_deref()),
            seen.checks.to_string(),
        ]);
    }
    right_aligned(&mut table, 4..5);
    let _ = writeln!(text, "{}\n", indented(&table));
}
