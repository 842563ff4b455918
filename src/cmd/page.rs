//! The page of a run: `report.html` beside its record.

use std::path::PathBuf;

use anyhow::Context as _;

use crate::engine::session::FinishedRun;
use crate::report::render::page;
use crate::whole_file;

const PAGE_FILE: &str = "report.html";

/// Writes the page of a run and returns its file.
pub(super) fn write(finished: &FinishedRun) -> anyhow::Result<PathBuf> {
    let file = finished.file.with_file_name(PAGE_FILE);
    let text = page::render(std::slice::from_ref(&finished.record))?;
    whole_file::replace(&file, text.as_bytes()).with_context(|| format!("write {}", file.display()))?;
    Ok(file)
}
