//! Whether another driver sees the same under a load.

use std::fmt::Write as _;

use super::numbers::grouped;
use super::terminal::{TITLE, UNSURE, indented, right_aligned, styled, table};
use crate::record::Validation;

/// A load by two drivers: what each stack came to by either.
pub(super) fn section(text: &mut String, validation: &Validation) {
    let Validation { load, driver, by, by_driver, missing, stacks } = validation;
    let _ = writeln!(text, "{}", styled(TITLE, &format!("Does {by_driver} see the same under {load}?")));
    if let Some(missing) = missing {
        let _ = writeln!(text, "  {} {by} was left out: {missing}\n", styled(UNSURE, "unavailable"));
        return;
    }
    let mut table = table(&["stack", &format!("{driver}, req/s"), &format!("{by_driver}, req/s"), "ratio"]);
    for stack in stacks {
        let shown = |value: Option<f64>, form: fn(f64) -> String| value.map_or_else(|| "–".to_owned(), form);
        table.add_row([
            stack.stack.clone(),
            shown(stack.own_per_s, grouped),
            shown(stack.other_per_s, grouped),
            shown(stack.ratio(), |ratio| format!("{ratio:.2}")),
        ]);
    }
    right_aligned(&mut table, 1..4);
    let _ = writeln!(text, "{}\n", indented(&table));
}
