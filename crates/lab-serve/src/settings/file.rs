//! A configuration file is a Python program (gunicorn: "Configuration File"), so Python evaluates it.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Deserialize;

use super::arguments::Given;
use super::layers::similar;
use super::table::{self, TABLE};
use super::value::Value;

/// The program that evaluates.
const EVALUATE: &str = include_str!("evaluate.py");

/// Why a configuration file says nothing.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// There is none.
    #[error("there is no configuration file {0:?}")]
    Missing(String),
    /// Python cannot be run.
    #[error("cannot run {} to evaluate {location}: {error}\nhint: name an environment with --venv, or install python3", .python.display())]
    Python {
        /// The interpreter.
        python: PathBuf,
        /// The configuration file.
        location: String,
        /// What the system said.
        error: io::Error,
    },
    /// Python found a mistake in it, and said so.
    #[error("failed to read config file {location}:\n{}", .traceback.trim_end())]
    Evaluation {
        /// The configuration file.
        location: String,
        /// What Python said.
        traceback: String,
    },
    /// The evaluator did not answer as it should.
    #[error("cannot make sense of what {} says of {location}: {error}", .python.display())]
    Answer {
        /// The interpreter.
        python: PathBuf,
        /// The configuration file.
        location: String,
        /// What is wrong with the answer.
        error: serde_json::Error,
    },
}

/// What a configuration file comes to.
#[derive(Debug, Default)]
pub struct Evaluated {
    /// The settings in it.
    pub given: Given,
    /// Names in it that are almost those of settings, with the settings.
    pub misspelt: Vec<(String, &'static str)>,
    /// Environment variables it set, and (None) removed.
    pub environment: BTreeMap<String, Option<String>>,
    /// What it printed.
    pub printed: String,
}

#[derive(Deserialize)]
struct Answer {
    settings: serde_json::Map<String, serde_json::Value>,
    others: Vec<String>,
    environment: BTreeMap<String, String>,
    removed: Vec<String>,
}

/// Evaluates `location` (PATH, file:PATH or python:MODULE) with `python` in `folder`.
///
/// # Errors
/// It is not there, or Python is not, or it fails.
pub fn evaluate(python: &Path, location: &str, folder: &Path) -> Result<Evaluated, FileError> {
    let is_module = location.starts_with("python:");
    let path = folder.join(location.strip_prefix("file:").unwrap_or(location));
    if !is_module && !path.exists() {
        return Err(FileError::Missing(location.to_owned()));
    }
    let location = if is_module { location.to_owned() } else { path.to_string_lossy().into_owned() };
    let mut command = Command::new(python);
    // A byte code cache of a configuration is of no use to anyone.
    command.args(["-B", "-c", EVALUATE, &location]).args(TABLE.iter().map(|setting| setting.name));
    let output = command.current_dir(folder).stdin(Stdio::null()).output().map_err(|error| FileError::Python {
        python: python.to_owned(),
        location: location.clone(),
        error,
    })?;
    let printed = String::from_utf8_lossy(&output.stderr).into_owned();
    if !output.status.success() {
        return Err(FileError::Evaluation { location, traceback: printed });
    }
    let answer: Answer = serde_json::from_slice(&output.stdout).map_err(|error| FileError::Answer {
        python: python.to_owned(),
        location,
        error,
    })?;
    Ok(read(&answer, printed))
}

fn read(answer: &Answer, printed: String) -> Evaluated {
    let given = answer.settings.iter();
    let given = given.filter_map(|(name, json)| Some((table::lookup(name)?, Value::from_json(json)))).collect();
    let misspelt = answer.others.iter().filter_map(|name| Some((name.clone(), similar(name)?))).collect();
    let set = answer.environment.iter().map(|(name, value)| (name.clone(), Some(value.clone())));
    let removed = answer.removed.iter().map(|name| (name.clone(), None));
    Evaluated { given, misspelt, environment: set.chain(removed).collect(), printed }
}
