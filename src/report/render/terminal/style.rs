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

/// A view's table, indented, with `right` aligned to the right. One that is wider than `width` is turned, so that no terminal
/// wraps it within a word: a line for each column, with as many rows beside each other as fit.
pub(super) fn rendered(view: &TextTable, right: Range<usize>, width: usize) -> String {
    let text = plain(&view.header(), &view.rows, right);
    if text.lines().all(|line| line.chars().count() <= width) {
        return text;
    }
    let mut parts: Vec<String> = Vec::new();
    let mut rest = view.rows.as_slice();
    while !rest.is_empty() {
        let fits = |count: &usize| turned(view, &rest[..*count]).lines().all(|line| line.chars().count() <= width);
        // One row has to be shown, however wide it is.
        let count = (2..=rest.len()).take_while(fits).last().unwrap_or(1);
        parts.push(turned(view, &rest[..count]));
        rest = &rest[count..];
    }
    parts.join("\n\n")
}

/// The rows as columns, below their first cells.
fn turned(view: &TextTable, rows: &[Vec<String>]) -> String {
    let cell = |row: &Vec<String>, index: usize| row.get(index).cloned().unwrap_or_default();
    let first = std::iter::once(view.header.first().cloned().unwrap_or_default());
    let header: Vec<String> = first.chain(rows.iter().map(|row| cell(row, 0))).collect();
    let lines = view.header.iter().enumerate().skip(1);
    let lines: Vec<Vec<String>> = lines
        .map(|(index, name)| std::iter::once(name.clone()).chain(rows.iter().map(|row| cell(row, index))).collect())
        .collect();
    let names: Vec<&str> = header.iter().map(String::as_str).collect();
    plain(&names, &lines, 1..header.len())
}

fn plain(header: &[&str], rows: &[Vec<String>], right: Range<usize>) -> String {
    let mut table = table(header);
    table.add_rows(rows.to_vec());
    right_aligned(&mut table, right);
    indented(&table)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_tables_are_turned() {
        let row = |name: &str| vec![name.to_owned(), "1,234".to_owned(), "5.6 ms".to_owned()];
        let header = ["stack", "requests per second", "p99"].map(str::to_owned).to_vec();
        let rows = vec![row("nginx-gunicorn"), row("nginx-lab"), row("lab")];
        let view = TextTable { title: String::new(), header, rows };
        assert_eq!(rendered(&view, 1..3, 80).lines().count(), 4);
        let narrow = rendered(&view, 1..3, 40);
        assert!(narrow.lines().all(|line| line.chars().count() <= 40), "{narrow}");
        let lines: Vec<Vec<&str>> = narrow.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(lines[0], ["stack", "nginx-gunicorn"]);
        assert_eq!(lines[1], ["requests", "per", "second", "1,234"]);
        assert_eq!(lines[4], ["stack", "nginx-lab", "lab"]);
        assert_eq!(lines[6], ["p99", "5.6", "ms", "5.6", "ms"]);
    }
}
