//! Whether another driver agrees under a load: each stack by either driver.

use super::text_table::{NO_VALUE, TextTable};
use crate::record::{ValidatedStack, Validation};
use crate::report::numbers::grouped;

/// A row for each stack: its name, its throughput by either driver, and their ratio.
#[must_use]
pub fn table(validation: &Validation) -> TextTable {
    let Validation { driver, by_driver, stacks, .. } = validation;
    let cell = |value: Option<f64>, format: fn(f64) -> String| value.map_or_else(|| NO_VALUE.to_owned(), format);
    let row = |stack: &ValidatedStack| {
        vec![
            stack.stack.clone(),
            cell(stack.own_per_s, grouped),
            cell(stack.other_per_s, grouped),
            cell(stack.ratio(), |ratio| format!("{ratio:.2}")),
        ]
    };
    let header =
        vec!["stack".to_owned(), format!("{driver}, req/s"), format!("{by_driver}, req/s"), "ratio".to_owned()];
    TextTable { title: String::new(), header, rows: stacks.iter().map(row).collect() }
}
