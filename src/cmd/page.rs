//! The page of a run: `report.html` beside its record.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::engine::session::FinishedRun;
use crate::report::render::page;
use crate::whole_file;

const PAGE_FILE: &str = "report.html";

/// The page beside a record.
pub(super) fn file_of(record: &Path) -> PathBuf {
    record.with_file_name(PAGE_FILE)
}

/// Writes the page of a run and returns its file.
pub(super) fn write(finished: &FinishedRun) -> anyhow::Result<PathBuf> {
    let file = file_of(&finished.file);
    let text = page::render(std::slice::from_ref(&finished.record))?;
    whole_file::replace(&file, text.as_bytes()).with_context(|| format!("write {}", file.display()))?;
    Ok(file)
}

/// Opens a page in the person's browser. Without one, it says what to do.
pub(super) fn show(file: &Path) -> std::io::Result<()> {
    match open::that_detached(file) {
        Ok(()) => Ok(()),
        Err(error) => {
            let file = file.display();
            writeln!(anstream::stderr(), "lab: no program opens {file}: {error}\nhint: open it in a browser by hand")
        }
    }
}
