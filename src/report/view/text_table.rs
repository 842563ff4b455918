//! A table of cells that renderers align or escape as their format needs.

use std::ops::Range;

use lab_stats::sample::median;

/// What a cell holds where there is no value.
pub const NO_VALUE: &str = "–";

#[derive(Debug, Default)]
pub struct TextTable {
    pub title: String,
    pub header: Vec<String>,
    pub rows: Vec<Vec<String>>,
}

impl TextTable {
    #[must_use]
    pub fn header(&self) -> Vec<&str> {
        self.header.iter().map(String::as_str).collect()
    }

    /// A table of the first column and of `columns`.
    #[must_use]
    pub fn part(&self, columns: Range<usize>) -> TextTable {
        let part = |row: &Vec<String>| [&row[..1], &row[columns.clone()]].concat();
        TextTable { title: self.title.clone(), header: part(&self.header), rows: self.rows.iter().map(part).collect() }
    }
}

/// The median of the values that are present, formatted, or [`NO_VALUE`].
pub fn median_cell(values: impl Iterator<Item = Option<f64>>, format: impl Fn(f64) -> String) -> String {
    let values: Vec<f64> = values.flatten().collect();
    median(&values).map_or_else(|| NO_VALUE.to_owned(), format)
}

#[must_use]
pub fn owned_cells(cells: &[&str]) -> Vec<String> {
    cells.iter().map(|cell| (*cell).to_owned()).collect()
}
