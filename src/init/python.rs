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
    /// Variables of the environment without which the file fails.
    pub(super) required: Vec<RequiredVariable>,
    /// The expression of Django's `STATIC_ROOT`.
    pub(super) static_root: Option<String>,
    /// Whether it names Django's storage of static files by a manifest, which `collectstatic` writes.
    pub(super) names_static_files: bool,
    /// Django's URL patterns.
    pub(super) urls: Vec<Url>,
    /// Routers and blueprints.
    pub(super) routers: Vec<Router>,
    /// Where they are put.
    pub(super) mounts: Vec<Mount>,
    /// The page of FastAPI's own documentation.
    pub(super) docs: Option<String>,
    /// Variables that it sets unless they are set.
    pub(super) defaults: BTreeMap<String, String>,
    /// Whether it imports Django.
    pub(super) runs_django: bool,
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
    /// The application, router or blueprint that has it, as a dotted name of the project.
    pub(super) owner: String,
}

/// A router or a blueprint.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Router {
    pub(super) name: String,
    /// The beginning of its paths; `None` if only a run can tell.
    pub(super) prefix: Option<String>,
}

/// A router or a blueprint within an application, or within another router.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Mount {
    pub(super) target: String,
    pub(super) owner: String,
    /// As of [`Router::prefix`].
    pub(super) prefix: Option<String>,
    /// Whether a prefix takes the place of the target's own.
    pub(super) replaces: bool,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Setting {
    pub(super) value: String,
    #[serde(default)]
    pub(super) line: usize,
}

/// A variable of the environment, and the line that reads it.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct RequiredVariable {
    pub(super) name: String,
    pub(super) line: usize,
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
