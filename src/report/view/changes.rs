//! The fields of responses in which stacks differ from the reference.

use std::collections::BTreeMap;

use crate::record::StackDifferences;

/// A field with its values on the reference and on other stacks.
pub struct Change<'a> {
    pub field: &'a str,
    pub reference: Option<&'a str>,
    pub other: Option<&'a str>,
    pub stacks: Vec<&'a str>,
}

/// Each distinct change once, by field and values, with the stacks that make it.
#[must_use]
pub fn distinct_changes(all: &[StackDifferences]) -> Vec<Change<'_>> {
    type Key<'a> = (&'a str, Option<&'a str>, Option<&'a str>);
    let mut changes: BTreeMap<Key<'_>, Vec<&str>> = BTreeMap::new();
    for found in all {
        for seen in &found.differences {
            let difference = &seen.difference;
            let key = (difference.field.as_str(), difference.reference.as_deref(), difference.other.as_deref());
            let stacks = changes.entry(key).or_default();
            if stacks.last() != Some(&found.stack.as_str()) {
                stacks.push(&found.stack);
            }
        }
    }
    let changes = changes.into_iter();
    changes.map(|((field, reference, other), stacks)| Change { field, reference, other, stacks }).collect()
}

/// The stacks that change nothing.
#[must_use]
pub fn unchanged(all: &[StackDifferences]) -> Vec<&str> {
    all.iter().filter(|found| found.differences.is_empty()).map(|found| found.stack.as_str()).collect()
}

/// A set of stacks, described in the shorter of two ways.
pub enum StackSet<'a> {
    All,
    AllBut(Vec<&'a str>),
    Only(&'a [&'a str]),
}

impl<'a> StackSet<'a> {
    #[must_use]
    pub fn new(stacks: &'a [&'a str], all: &'a [StackDifferences]) -> StackSet<'a> {
        let others: Vec<&str> =
            all.iter().map(|found| found.stack.as_str()).filter(|name| !stacks.contains(name)).collect();
        match others.len() {
            0 => StackSet::All,
            count if count < stacks.len() / 2 => StackSet::AllBut(others),
            _ => StackSet::Only(stacks),
        }
    }
}

/// A value for a table cell: on one line, and short enough to recognise.
#[must_use]
pub fn value_cell(value: Option<&str>) -> String {
    const MAX_LETTERS: usize = 36;
    let Some(value) = value else { return "·".to_owned() };
    // A terminal would obey a control character.
    let one_line = value.replace("\r\n", "\n").replace('\n', " ⏎ ").replace(char::is_control, "\u{fffd}");
    if one_line.chars().count() <= MAX_LETTERS {
        return if one_line.is_empty() { "\"\"".to_owned() } else { one_line };
    }
    one_line.chars().take(MAX_LETTERS - 1).chain(['…']).collect()
}
