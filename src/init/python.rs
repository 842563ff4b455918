//! Reads Python files with Python's own parser. They are not run.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Deserialize;

/// Prints [`Module`]s as JSON.
const SCRIPT: &str = include_str!("inspect.py");

/// What a file defines.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Module {
    /// Applications at module level.
    pub(super) apps: Vec<Definition>,
    pub(super) factories: Vec<Definition>,
    pub(super) routes: Vec<Route>,
    /// Literals at module level; lists are joined by commas.
    pub(super) settings: BTreeMap<String, Setting>,
    /// Django's URL patterns.
    pub(super) urls: Vec<Url>,
    /// Whether it puts routes of routers or blueprints below a prefix.
    pub(super) mounts: bool,
    /// Why it cannot be read: its line and the reason.
    pub(super) error: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Definition {
    pub(super) name: String,
    pub(super) line: usize,
    pub(super) interface: Interface,
    /// The number of arguments that a call of it must have.
    #[serde(default)]
    pub(super) required: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Interface {
    Wsgi,
    Asgi,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Route {
    pub(super) path: String,
    pub(super) methods: Vec<String>,
    /// Whether it belongs to a router or a blueprint.
    #[serde(default)]
    pub(super) is_mounted: bool,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Setting {
    pub(super) value: String,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Url {
    pub(super) path: String,
    /// The source of the view.
    pub(super) view: String,
}

/// Reads files with the parser of `python`.
///
/// # Errors
/// The interpreter does not run, as a message.
pub(super) fn inspect(python: &Path, folder: &Path, files: &[PathBuf]) -> Result<BTreeMap<PathBuf, Module>, String> {
    if files.is_empty() {
        return Ok(BTreeMap::new());
    }
    let mut command = Command::new(python);
    // Isolated, so that the project cannot replace a module.
    command.args(["-I", "-c", SCRIPT]).args(files).current_dir(folder).stdin(Stdio::null());
    let output = command.output().map_err(|error| format!("cannot run {}: {error}", python.display()))?;
    if !output.status.success() {
        let reason = String::from_utf8_lossy(&output.stderr).trim_end().lines().last().unwrap_or_default().to_owned();
        return Err(format!("{} cannot read the files: {reason}", python.display()));
    }
    serde_json::from_slice(&output.stdout).map_err(|error| format!("{} prints no JSON: {error}", python.display()))
}
