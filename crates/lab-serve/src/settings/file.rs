//! Evaluates a configuration file. It is a Python program (gunicorn: "Configuration File"), so a Python process runs it.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Deserialize;

use super::arguments::GivenSettings;
use super::lookup::{all, lookup};
use super::resolve::similar;
use super::value::Value;

const EVALUATE: &str = include_str!("evaluate.py");

/// Why a configuration file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    #[error("there is no configuration file {0:?}")]
    Missing(String),
    #[error("cannot run {} to evaluate {location}: {error}\nhint: name an environment with --venv, or install python3", .python.display())]
    Python { python: PathBuf, location: String, error: io::Error },
    /// The file raised an exception.
    #[error("failed to read config file {location}:\n{}", .traceback.trim_end())]
    Evaluation { location: String, traceback: String },
    /// The evaluator wrote no valid JSON.
    #[error("cannot read what {} made of {location}: {error}", .python.display())]
    Output { python: PathBuf, location: String, error: serde_json::Error },
}

/// The result of evaluating a configuration file.
#[derive(Debug, Default)]
pub struct Evaluated {
    pub given: GivenSettings,
    /// The lines that set them, where the file itself does.
    pub lines: BTreeMap<String, u32>,
    /// Whether the file sets up gunicorn's loggers itself, so that workers have to do it as well.
    pub changes_loggers: bool,
    /// Names that resemble a setting, each with that setting.
    pub misspelt: Vec<(String, &'static str)>,
    /// Environment variables that the file set, and (None) removed.
    pub environment: BTreeMap<String, Option<String>>,
    /// What the file printed.
    pub printed: String,
}

#[derive(Deserialize)]
struct EvaluatorOutput {
    settings: serde_json::Map<String, serde_json::Value>,
    lines: BTreeMap<String, u32>,
    changes_loggers: bool,
    others: Vec<String>,
    environment: BTreeMap<String, String>,
    removed: Vec<String>,
}

/// Evaluates `location` (PATH, file:PATH or python:MODULE) with `python` in `folder`.
///
/// # Errors
/// The file or the interpreter is missing, or the file raises an exception.
pub fn evaluate(python: &Path, location: &str, folder: &Path) -> Result<Evaluated, FileError> {
    let is_module = location.starts_with("python:");
    let path = folder.join(location.strip_prefix("file:").unwrap_or(location));
    if !is_module && !path.exists() {
        return Err(FileError::Missing(location.to_owned()));
    }
    let location = absolute(location, folder);
    let mut command = Command::new(python);
    // -B: no __pycache__ beside a configuration file.
    command.args(["-B", "-c", EVALUATE, &location]).args(all().map(|setting| setting.name));
    let output = command.current_dir(folder).stdin(Stdio::null()).output().map_err(|error| FileError::Python {
        python: python.to_owned(),
        location: location.clone(),
        error,
    })?;
    let printed = String::from_utf8_lossy(&output.stderr).into_owned();
    if !output.status.success() {
        return Err(FileError::Evaluation { location, traceback: printed });
    }
    let output_document: EvaluatorOutput = serde_json::from_slice(&output.stdout)
        .map_err(|error| FileError::Output { python: python.to_owned(), location, error })?;
    Ok(evaluated(output_document, printed))
}

/// A location whose path, if it is one, is absolute.
pub(super) fn absolute(location: &str, folder: &Path) -> String {
    if location.starts_with("python:") {
        return location.to_owned();
    }
    folder.join(location.strip_prefix("file:").unwrap_or(location)).to_string_lossy().into_owned()
}

fn evaluated(output: EvaluatorOutput, printed: String) -> Evaluated {
    let given = output.settings.iter();
    let given = given.filter_map(|(name, json)| Some((lookup(name)?, Value::from_json(json)))).collect();
    let misspelt = output.others.iter().filter_map(|name| Some((name.clone(), similar(name)?))).collect();
    let set = output.environment.iter().map(|(name, value)| (name.clone(), Some(value.clone())));
    let removed = output.removed.iter().map(|name| (name.clone(), None));
    let environment = set.chain(removed).collect();
    let EvaluatorOutput { lines, changes_loggers, .. } = output;
    Evaluated { given, lines, changes_loggers, misspelt, environment, printed }
}
