//! The tests that were skipped, as `tests/it/support/tool.rs` writes them down.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::run::root;

/// The file with one line for each skipped test: its name, a colon and the reason.
pub(crate) struct Skipped {
    file: PathBuf,
}

impl Skipped {
    /// Starts with no file, so that nothing of an earlier run is counted.
    pub(crate) fn collect() -> Result<Skipped, String> {
        let file = root().join("target/skipped-tests");
        let _ = fs::create_dir(root().join("target"));
        match fs::remove_file(&file) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(format!("{}: {error}", file.display())),
            _ => Ok(Skipped { file }),
        }
    }

    pub(crate) fn file(&self) -> &Path {
        &self.file
    }

    /// Prints how many tests were skipped, and why.
    pub(crate) fn print(&self) -> Result<(), String> {
        let text = match fs::read_to_string(&self.file) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(format!("{}: {error}", self.file.display())),
        };
        eprint!("\n{}", summary(&text));
        Ok(())
    }
}

/// The tests by reason. A test may have been skipped in several parts.
fn summary(lines: &str) -> String {
    let mut reasons: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut tests: Vec<&str> = Vec::new();
    for (test, reason) in lines.lines().filter_map(|line| line.split_once(": ")) {
        let of_reason = reasons.entry(reason).or_default();
        if !of_reason.contains(&test) {
            of_reason.push(test);
        }
        if !tests.contains(&test) {
            tests.push(test);
        }
    }
    let mut summary = format!("{} tests were skipped, at least in part\n", tests.len());
    for (reason, of_reason) in reasons {
        summary.push_str(&format!("  {reason}\n"));
        for test in of_reason {
            summary.push_str(&format!("    {test}\n"));
        }
    }
    summary
}
