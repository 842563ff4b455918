//! Styles, tables and lists of the terminal reports.

use std::ops::Range;

use anstyle::{AnsiColor, Style};
use comfy_table::{CellAlignment, Table, presets};

use crate::report::view::text_table::TextTable;

pub(super) const TITLE: Style = Style::new().bold();
pub(super) const GOOD: Style = AnsiColor::Green.on_default();
pub(super) const BAD: Style = AnsiColor::Red.on_default().bold();
pub(super) const UNSURE: Style = AnsiColor::Yellow.on_default();
pub(super) const QUIET: Style = Style::new().dimmed();

/// The width at which a list of names wraps.
pub(super) const LIST_WIDTH: usize = 90;

pub(super) fn styled(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}

/// Names separated by commas, wrapped to about `width` characters.
pub(super) fn wrapped_list(names: &[&str], width: usize) -> String {
    let mut lines: Vec<String> = Vec::new();
    for (index, name) in names.iter().enumerate() {
        let word = if index + 1 < names.len() { format!("{name},") } else { (*name).to_owned() };
        match lines.last_mut().filter(|line| line.chars().count() + 1 + word.chars().count() <= width) {
            Some(line) => {
                line.push(' ');
                line.push_str(&word);
            }
            None => lines.push(word),
        }
    }
    lines.join("\n")
}

pub(super) fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_header(header.iter().map(|name| (*name).to_owned()));
    table
}

pub(super) fn right_aligned(table: &mut Table, columns: Range<usize>) {
    for index in columns {
        if let Some(column) = table.column_mut(index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
}

pub(super) fn indented(table: &Table) -> String {
    table.to_string().lines().map(|line| format!(" {}", line.trim_end())).collect::<Vec<_>>().join("\n")
}

/// A view's table, indented, with `right` aligned to the right.
pub(super) fn rendered(view: &TextTable, right: Range<usize>) -> String {
    let mut table = table(&view.header());
    table.add_rows(view.rows.clone());
    right_aligned(&mut table, right);
    indented(&table)
}
