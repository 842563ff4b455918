//! A table of cells that renderers align or escape as their format needs.

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
