//! Whether another driver sees the same under a load.

use std::fmt::Write as _;

use super::markdown::{escaped, table as markdown_table};
use super::numbers::grouped;
use super::terminal::{TITLE, UNSURE, indented, right_aligned, styled, table};
use crate::record::{ValidatedStack, Validation};

/// A load by two drivers: what each stack came to by either.
pub(super) fn section(text: &mut String, validation: &Validation) {
    let Validation { load, by, by_driver, missing, .. } = validation;
    let _ = writeln!(text, "{}", styled(TITLE, &format!("Does {by_driver} see the same under {load}?")));
    if let Some(missing) = missing {
        let _ = writeln!(text, "  {} {by} was left out: {missing}\n", styled(UNSURE, "unavailable"));
        return;
    }
    let (header, rows) = beside(validation);
    let mut table = table(&header.each_ref().map(String::as_str));
    table.add_rows(rows);
    right_aligned(&mut table, 1..4);
    let _ = writeln!(text, "{}\n", indented(&table));
}

/// The same as markdown.
pub(super) fn markdown(text: &mut String, validation: &Validation) {
    let Validation { load, by, by_driver, missing, .. } = validation;
    let _ = writeln!(text, "## {} under {}\n", escaped(by_driver), escaped(load));
    if let Some(missing) = missing {
        let _ = writeln!(text, "{} was left out: {}\n", escaped(by), escaped(missing));
        return;
    }
    let (header, mut rows) = beside(validation);
    rows.iter_mut().flatten().for_each(|cell| *cell = escaped(cell));
    let header = header.each_ref().map(|cell| escaped(cell));
    let _ = writeln!(text, "{}\n", markdown_table(&header.each_ref().map(String::as_str), &rows));
}

/// A row for each stack: its name, the figure by either driver, and the ratio.
fn beside(validation: &Validation) -> ([String; 4], Vec<[String; 4]>) {
    let Validation { driver, by_driver, stacks, .. } = validation;
    let shown = |value: Option<f64>, form: fn(f64) -> String| value.map_or_else(|| "–".to_owned(), form);
    let row = |stack: &ValidatedStack| {
        [
            stack.stack.clone(),
            shown(stack.own_per_s, grouped),
            shown(stack.other_per_s, grouped),
            shown(stack.ratio(), |ratio| format!("{ratio:.2}")),
        ]
    };
    let header = ["stack".to_owned(), format!("{driver}, req/s"), format!("{by_driver}, req/s"), "ratio".to_owned()];
    (header, stacks.iter().map(row).collect())
}
