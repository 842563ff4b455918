//! What do stacks change, against the reference? Fields in which their answers, and what their apps saw, differ.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::terminal::{TITLE, WIDTH, has_many_stacks, indented, listed, right_aligned, styled, table};
use crate::record::{Record, StackDifferences};

/// All of it: a table for each stack, or one for many.
pub(super) fn section(text: &mut String, record: &Record) {
    if has_many_stacks(record) {
        together(text, &record.differences);
    } else {
        record.differences.iter().for_each(|differences| one(text, differences));
    }
}

/// A field, the reference's value and another one.
type Change<'a> = (&'a str, Option<&'a str>, Option<&'a str>);

/// One table for many stacks: those that differ alike stand together.
fn together(text: &mut String, all: &[StackDifferences]) {
    let Some(first) = all.first() else { return };
    let heading = format!("What do the others change, against {}?", first.reference);
    let _ = writeln!(text, "{}", styled(TITLE, &heading));
    let mut changes: BTreeMap<Change<'_>, Vec<&str>> = BTreeMap::new();
    for found in all {
        for seen in &found.differences {
            let change = &seen.difference;
            let key = (change.field.as_str(), change.reference.as_deref(), change.other.as_deref());
            let stacks = changes.entry(key).or_default();
            if stacks.last() != Some(&found.stack.as_str()) {
                stacks.push(&found.stack);
            }
        }
    }
    let mut table = table(&["field", &first.reference, "instead", "on"]);
    let mut above = None;
    for ((field, reference, other), stacks) in &changes {
        let is_new = above.replace((field, reference)) != Some((field, reference));
        let lead = if is_new { [(*field).to_owned(), shown(*reference)] } else { [String::new(), String::new()] };
        let [field, reference] = lead;
        table.add_row([field, reference, shown(*other), who(stacks, all)]);
    }
    if !changes.is_empty() {
        let _ = writeln!(text, "{}", indented(&table));
    }
    let alike: Vec<&str> =
        all.iter().filter(|found| found.differences.is_empty()).map(|found| found.stack.as_str()).collect();
    if !alike.is_empty() {
        let names = listed(&alike, WIDTH).replace('\n', "\n      ");
        let _ = writeln!(text, "  nothing that a check both were asked can see: {names}");
    }
    text.push('\n');
}

/// The stacks, by whatever is shorter: those that are meant, or those that are not.
fn who(stacks: &[&str], all: &[StackDifferences]) -> String {
    /// How wide the last column may get.
    const COLUMN: usize = 56;
    let others: Vec<&str> =
        all.iter().map(|found| found.stack.as_str()).filter(|name| !stacks.contains(name)).collect();
    match others.len() {
        0 => "all".to_owned(),
        count if count < stacks.len() / 2 => format!("all but {}", listed(&others, COLUMN - 8)),
        _ => listed(stacks, COLUMN),
    }
}

fn shown(value: Option<&str>) -> String {
    value.map_or_else(|| "·".to_owned(), shortened)
}

/// What a stack changes, relative to the reference stack.
fn one(text: &mut String, found: &StackDifferences) {
    let heading = format!("What does {} change, against {}?", found.stack, found.reference);
    let _ = writeln!(text, "{}", styled(TITLE, &heading));
    if found.differences.is_empty() {
        let _ = writeln!(text, "  nothing that a check both were asked can see\n");
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
            shown(difference.reference.as_deref()),
            shown(difference.other.as_deref()),
            seen.checks.to_string(),
        ]);
    }
    right_aligned(&mut table, 4..5);
    let _ = writeln!(text, "{}\n", indented(&table));
}

/// Enough of a value to recognise it in a table.
fn shortened(value: &str) -> String {
    const SHOWN: usize = 36;
    // A control character would move the cursor instead of being shown.
    let one_line = value.replace("\r\n", "\n").replace('\n', " ⏎ ").replace(char::is_control, "\u{fffd}");
    if one_line.chars().count() <= SHOWN {
        return if one_line.is_empty() { "\"\"".to_owned() } else { one_line };
    }
    one_line.chars().take(SHOWN - 1).chain(['…']).collect()
}
