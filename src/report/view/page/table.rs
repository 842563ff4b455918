//! Tables whose columns can be sorted and whose rows belong to stacks.

use serde::Serialize;

use crate::report::numbers::sort_value;
use crate::report::view::text_table::{NO_VALUE, TextTable};

#[derive(Debug, Serialize)]
pub struct PageTable {
    pub title: String,
    pub columns: Vec<PageColumn>,
    pub rows: Vec<PageRow>,
}

#[derive(Debug, Serialize)]
pub struct PageColumn {
    pub heading: String,
    /// Whether every cell starts with a number or is empty.
    pub is_numeric: bool,
    /// Whether a cell is too long for one line.
    pub is_long: bool,
}

#[derive(Debug, Serialize)]
pub struct PageRow {
    /// The stack that the row is about, which hides with it.
    pub stack: Option<String>,
    pub cells: Vec<PageCell>,
}

#[derive(Debug, Serialize)]
pub struct PageCell {
    pub text: String,
    /// What the cell sorts by in a column of numbers.
    pub value: Option<f64>,
}

/// A cell of more characters may be broken into lines.
const LONG: usize = 20;
/// How a reference is marked in tables of many stacks.
const REFERENCE_MARK: &str = " (reference)";

impl From<TextTable> for PageTable {
    fn from(table: TextTable) -> PageTable {
        let TextTable { title, header, rows } = table;
        let is_empty = |cell: &str| cell.is_empty() || cell == NO_VALUE || cell == "·";
        let is_numeric = |column: usize| {
            let cells = || rows.iter().filter_map(|row| row.get(column)).filter(|cell| !is_empty(cell));
            header[column] != "stack" && cells().count() > 0 && cells().all(|cell| sort_value(cell).is_some())
        };
        let columns: Vec<PageColumn> = header
            .iter()
            .enumerate()
            .map(|(column, heading)| PageColumn {
                heading: heading.clone(),
                is_numeric: is_numeric(column),
                is_long: rows.iter().any(|row| row.get(column).is_some_and(|cell| cell.chars().count() > LONG)),
            })
            .collect();
        let stack_column = header.iter().position(|heading| heading == "stack");
        let row = |cells: &Vec<String>| PageRow {
            stack: stack_column.and_then(|column| cells.get(column)).map(|cell| cell.replace(REFERENCE_MARK, "")),
            cells: cells.iter().map(|text| PageCell { text: text.clone(), value: sort_value(text) }).collect(),
        };
        PageTable { title, columns, rows: rows.iter().map(row).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::view::text_table::owned_cells;

    #[test]
    fn columns_of_numbers_are_recognised() {
        let table = PageTable::from(TextTable {
            title: String::new(),
            header: owned_cells(&["stack", "req/s", "notes", "errors"]),
            rows: vec![
                owned_cells(&["2-workers", "10 432", "3 of them", "2 timeout-body, 9 status-5xx"]),
                owned_cells(&["b (reference)", "–", "none", "0"]),
            ],
        });
        let kinds: Vec<[bool; 2]> = table.columns.iter().map(|column| [column.is_numeric, column.is_long]).collect();
        assert_eq!(kinds, [[false, false], [true, false], [false, false], [true, true]]);
        assert_eq!(table.rows[1].stack.as_deref(), Some("b"));
        assert_eq!(table.rows[0].cells[1].value, Some(10_432.0));
    }
}
