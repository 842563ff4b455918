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

/// The width at which a list of names wraps. Indented, it fits into 80 columns.
pub(super) const LIST_WIDTH: usize = 72;

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

/// A view's table, indented, with `right` aligned to the right. One that is wider than `width` is turned, so that no terminal
/// wraps it within a word: a line for each column, with as many rows beside each other as fit.
pub(super) fn rendered(view: &TextTable, right: Range<usize>, width: usize) -> String {
    let has_numbers = 2 * right.len() >= view.header.len();
    rendered_within(view, right, width).unwrap_or_else(|| all_turned(view, has_numbers, width))
}

/// A view's table, unless it is wider than `width`.
pub(super) fn rendered_within(view: &TextTable, right: Range<usize>, width: usize) -> Option<String> {
    Some(plain(&view.header(), &view.rows, right)).filter(|text| is_within(text, width))
}

/// The same as [`rendered`] for a table of texts. Cells of the first `shared` columns that are those of the row above are shown
/// once, unless the table is turned.
pub(super) fn rendered_in_groups(view: &TextTable, shared: usize, width: usize) -> String {
    let mut rows = view.rows.clone();
    for (above, row) in view.rows.iter().zip(rows.iter_mut().skip(1)) {
        if row[..shared] == above[..shared] {
            row[..shared].iter_mut().for_each(String::clear);
        }
    }
    let text = plain(&view.header(), &rows, 0..0);
    if is_within(&text, width) { text } else { all_turned(view, false, width) }
}

fn all_turned(view: &TextTable, has_numbers: bool, width: usize) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut rest = view.rows.as_slice();
    while !rest.is_empty() {
        let fits = |count: &usize| is_within(&turned(view, has_numbers, &rest[..*count]), width);
        // One row has to be shown, however wide it is.
        let count = (2..=rest.len()).take_while(fits).last().unwrap_or(1);
        parts.push(turned(view, has_numbers, &rest[..count]));
        rest = &rest[count..];
    }
    parts.join("\n\n")
}

fn is_within(text: &str, width: usize) -> bool {
    text.lines().all(|line| visible_width(line) <= width)
}

/// The characters of a line, without those that set its style.
pub(super) fn visible_width(line: &str) -> usize {
    anstream::adapter::strip_str(line).to_string().chars().count()
}

/// The rows as columns, below their first cells; numbers are aligned to the right.
fn turned(view: &TextTable, has_numbers: bool, rows: &[Vec<String>]) -> String {
    let cell = |row: &Vec<String>, index: usize| row.get(index).cloned().unwrap_or_default();
    let first = std::iter::once(view.header.first().cloned().unwrap_or_default());
    let header: Vec<String> = first.chain(rows.iter().map(|row| cell(row, 0))).collect();
    let lines = view.header.iter().enumerate().skip(1);
    let lines: Vec<Vec<String>> = lines
        .map(|(index, name)| std::iter::once(name.clone()).chain(rows.iter().map(|row| cell(row, index))).collect())
        .collect();
    let names: Vec<&str> = header.iter().map(String::as_str).collect();
    plain(&names, &lines, if has_numbers { 1..header.len() } else { 0..0 })
}

fn plain(header: &[&str], rows: &[Vec<String>], right: Range<usize>) -> String {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_header(header.iter().map(|name| (*name).to_owned()));
    table.add_rows(rows.to_vec());
    for index in right {
        if let Some(column) = table.column_mut(index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.to_string().lines().map(|line| format!(" {}", line.trim_end())).collect::<Vec<_>>().join("\n")
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
