//! The facts that vary from visit to visit of one stack.

use crate::record::{Record, VaryingField};

/// The fields that vary, each once, with the first check that shows it.
#[must_use]
pub fn varying(record: &Record) -> Vec<String> {
    named(record, |_| true)
}

/// The fields that no line of `[snapshot] volatile` leaves out.
#[must_use]
pub fn not_volatile(record: &Record) -> Vec<String> {
    named(record, |one| !one.is_volatile)
}

fn named(record: &Record, is_meant: impl Fn(&VaryingField) -> bool) -> Vec<String> {
    let mut fields: Vec<(&str, &str)> = Vec::new();
    for one in record.stacks.iter().flat_map(|stack| &stack.varying).filter(|one| is_meant(one)) {
        // A text body varies in another way in each check.
        let is_known =
            |(field, check): &(&str, &str)| *field == one.field && (one.field != "body" || *check == one.check);
        if !fields.iter().any(is_known) {
            fields.push((&one.field, &one.check));
        }
    }
    fields.into_iter().map(|(field, check)| format!("{field} (in \"{check}\")")).collect()
}
