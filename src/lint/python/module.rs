//! Reads a Python file with Python's own parser. The file is not run.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Deserialize;
use thiserror::Error;

use crate::lint::finding::SourceLocation;

/// Prints a [`PythonModule`] as JSON.
const READ_SCRIPT: &str = include_str!("read.py");

/// The assignments, imports and calls of a file.
#[derive(Debug, Deserialize)]
pub struct PythonModule {
    /// Assignments at module level, in order. Those that do not run in any case have no value.
    pub(super) assignments: Vec<Assignment>,
    /// Annotations at module level that assign nothing, such as `workers: 4`.
    pub(super) annotations: Vec<NamedPlace>,
    /// Functions at module level.
    pub(super) functions: Vec<NamedPlace>,
    /// The names whose values are used anywhere.
    pub(super) reads: Vec<String>,
    /// Imports at any level.
    pub(super) imports: Vec<Import>,
    /// Calls at any level.
    pub(super) calls: Vec<Call>,
    /// Strings that may name a variable of a WSGI environ.
    pub(super) variables: Vec<NamedPlace>,
    /// Assignments to an item of `config` or to an attribute, such as `app.config["NAME"]` and `app.secret_key`.
    pub(super) settings: Vec<Assignment>,
}

impl PythonModule {
    /// The last assignment of a name at module level.
    pub(super) fn assignment(&self, name: &str) -> Option<&Assignment> {
        self.assignments.iter().rfind(|assignment| assignment.name == name)
    }

    /// The value of a name at module level. None if it is not a literal.
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        self.assignment(name)?.value.as_deref()
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct Position {
    pub(super) line: usize,
    pub(super) span: Range<usize>,
}

impl Position {
    pub(super) fn in_file(&self, file: &Path) -> SourceLocation {
        SourceLocation { file: file.to_owned(), line: self.line, span: self.span.clone() }
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct Assignment {
    pub(super) name: String,
    /// The value of a literal as text; lists are joined by commas.
    pub(super) value: Option<String>,
    #[serde(flatten)]
    pub(super) position: Position,
}

#[derive(Debug, Deserialize)]
pub(super) struct Import {
    pub(super) module: String,
    /// What `from` imports from it.
    pub(super) names: Vec<String>,
    #[serde(flatten)]
    pub(super) position: Position,
}

#[derive(Debug, Deserialize)]
pub(super) struct Call {
    /// The last part of the dotted name.
    pub(super) name: String,
    /// The values of literals as text.
    pub(super) arguments: Vec<Option<String>>,
    pub(super) keywords: BTreeMap<String, Option<String>>,
    /// Whether it is below `if __name__ == "__main__"`.
    pub(super) is_main: bool,
    #[serde(flatten)]
    pub(super) position: Position,
}

/// A name with its place in the file.
#[derive(Debug, Deserialize)]
pub(super) struct NamedPlace {
    pub(super) name: String,
    #[serde(flatten)]
    pub(super) position: Position,
}

#[derive(Debug, Error)]
pub enum ReadError {
    /// The interpreter did not start.
    #[error("cannot run {} to read {}: {error}\nhint: install python3, or leave the Python files out", .python.display(), .file.display())]
    NoPython { python: PathBuf, file: PathBuf, error: std::io::Error },
    /// The file cannot be opened, or is not valid Python. The message names file and line.
    #[error("{0}")]
    InvalidFile(String),
    #[error("cannot read {}: unexpected output of {}: {error}", .file.display(), .python.display())]
    UnexpectedOutput { python: PathBuf, file: PathBuf, error: serde_json::Error },
}

/// Reads a file with the parser of `python`.
///
/// # Errors
/// The file cannot be read or is not valid Python, or the interpreter does not run.
pub fn read(python: &Path, file: &Path) -> Result<PythonModule, ReadError> {
    let mut command = Command::new(python);
    // isolated, so that the current folder cannot replace a module
    command.args(["-I", "-c", READ_SCRIPT]).arg(file).stdin(Stdio::null());
    let no_python = |error| ReadError::NoPython { python: python.to_owned(), file: file.to_owned(), error };
    let output = command.output().map_err(no_python)?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        // the last line of a traceback has the reason
        return Err(ReadError::InvalidFile(stderr.trim_end().lines().last().unwrap_or_default().to_owned()));
    }
    serde_json::from_slice(&output.stdout).map_err(|error| ReadError::UnexpectedOutput {
        python: python.to_owned(),
        file: file.to_owned(),
        error,
    })
}
