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
            .map(|(column, heading)| PageColumn { heading: heading.clone(), is_numeric: is_numeric(column) })
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
            header: owned_cells(&["stack", "req/s", "notes"]),
            rows: vec![
                owned_cells(&["2-workers", "10 432", "3 of them"]),
                owned_cells(&["b (reference)", "–", "none"]),
            ],
        });
        let numeric: Vec<bool> = table.columns.iter().map(|column| column.is_numeric).collect();
        assert_eq!(numeric, [false, true, false]);
        assert_eq!(table.rows[1].stack.as_deref(), Some("b"));
        assert_eq!(table.rows[0].cells[1].value, Some(10_432.0));
    }
}
