//! How fast is it under a load, and what does it cost?

use std::fmt::Write as _;

use super::style::{QUIET, TITLE, rendered, rendered_within, styled};
use super::{comparison, round_issues};
use crate::record::Record;
use crate::report::view::load_tables;
use crate::report::view::provenance::has_many_stacks;
use crate::report::view::speed::{FIRST_COST_COLUMN, SpeedView, Unmeasured};
use crate::report::view::text_table::TextTable;

/// The width up to which speed and cost are one table, on wider terminals as well.
const WHOLE_WIDTH: usize = 100;

/// One load: a row per stack, the tables of its kind, the comparison with the reference, and the issues of its rounds.
pub(super) fn section(text: &mut String, record: &Record, load: &str, width: usize) {
    let _ = writeln!(text, "{}", styled(TITLE, &format!("How fast is it under {load}?")));
    let is_many = has_many_stacks(record);
    let view = SpeedView::new(record, load);
    table(text, &view.table, is_many, width);
    if is_many {
        let _ = writeln!(text, "  {}", styled(QUIET, "sorted by req/s, here and below"));
    }
    if let Some(contention) = &view.contention {
        let _ = writeln!(text, "  {}", styled(QUIET, contention));
    }
    for table in load_tables::tables(record, load, &view.stacks, !is_many) {
        let rows = rendered(&table, 1..table.header.len(), width);
        let _ = writeln!(text, "  {}\n{rows}", styled(QUIET, &table.title));
    }
    if is_many {
        for line in view.unmeasured_by_reason() {
            let _ = writeln!(text, "  {line}");
        }
    } else {
        for Unmeasured { stack, reason } in &view.unmeasured {
            let _ = writeln!(text, "  {stack} was not measured: {reason}");
        }
    }
    comparison::section(text, record, load, &view.stacks, width);
    round_issues::section(text, record, load);
    text.push('\n');
}

fn table(text: &mut String, table: &TextTable, is_many: bool, width: usize) {
    // A long list of errors would open a wide gap before a right-aligned column.
    let right = |table: &TextTable| 1..table.header.len() - usize::from(is_many);
    if let Some(whole) = rendered_within(table, right(table), width.min(WHOLE_WIDTH)) {
        let _ = writeln!(text, "{whole}");
        return;
    }
    let [speed, cost] = [1..FIRST_COST_COLUMN, FIRST_COST_COLUMN..table.header.len()].map(|part| table.part(part));
    let _ = writeln!(text, "{}", rendered(&speed, 1..speed.header.len(), width));
    let _ = writeln!(text, "  {}\n{}", styled(QUIET, "cost"), rendered(&cost, right(&cost), width));
}
