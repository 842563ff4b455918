//! What a Python file says, read by Python's own parser; the file is not run.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Deserialize;
use thiserror::Error;

/// What asks Python's parser.
const READ: &str = include_str!("read.py");

/// What a file assigns, imports and calls.
#[derive(Debug, Deserialize)]
pub struct Facts {
    /// Names that are assigned to at the file's own level, in order.
    pub(super) assignments: Vec<Assignment>,
    /// Modules that are imported, anywhere.
    pub(super) imports: Vec<Import>,
    /// Calls, anywhere.
    pub(super) calls: Vec<Call>,
}

#[derive(Debug, Deserialize)]
pub(super) struct At {
    pub(super) line: usize,
    pub(super) span: Range<usize>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Assignment {
    pub(super) name: String,
    /// A literal, as text; lists are joined by commas.
    pub(super) value: Option<String>,
    #[serde(flatten)]
    pub(super) at: At,
}

#[derive(Debug, Deserialize)]
pub(super) struct Import {
    pub(super) module: String,
    #[serde(flatten)]
    pub(super) at: At,
}

#[derive(Debug, Deserialize)]
pub(super) struct Call {
    /// The last part of what is called.
    pub(super) name: String,
    /// Literals, as text.
    pub(super) arguments: Vec<Option<String>>,
    pub(super) keywords: BTreeMap<String, Option<String>>,
    #[serde(flatten)]
    pub(super) at: At,
}

/// Why a file was not read.
#[derive(Debug, Error)]
pub enum ReadError {
    /// There is no interpreter whose parser could be asked.
    #[error("cannot run {} to read {}: {error}\nhint: install python3, or leave the Python files out", .python.display(), .file.display())]
    NoPython {
        /// The interpreter.
        python: PathBuf,
        /// The file.
        file: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// It cannot be opened, or is no Python; by file and line.
    #[error("{0}")]
    NotPython(String),
    /// The interpreter did not answer as it should.
    #[error("cannot read {}: {} answered otherwise than expected: {error}", .file.display(), .python.display())]
    Answer {
        /// The interpreter.
        python: PathBuf,
        /// The file.
        file: PathBuf,
        /// What was wrong with it.
        error: serde_json::Error,
    },
}

/// Reads a file with the parser of `python`.
///
/// # Errors
/// The file is no Python, or there is no Python to say so.
pub fn read(python: &Path, file: &Path) -> Result<Facts, ReadError> {
    let mut command = Command::new(python);
    // isolated: nothing of the current folder is imported
    command.args(["-I", "-c", READ]).arg(file).stdin(Stdio::null());
    let no_python = |error| ReadError::NoPython { python: python.to_owned(), file: file.to_owned(), error };
    let output = command.output().map_err(no_python)?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        // of a traceback the last line says why
        return Err(ReadError::NotPython(said.trim_end().lines().last().unwrap_or_default().to_owned()));
    }
    let answer = |error| ReadError::Answer { python: python.to_owned(), file: file.to_owned(), error };
    serde_json::from_slice(&output.stdout).map_err(answer)
}
