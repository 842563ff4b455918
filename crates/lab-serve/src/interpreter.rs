//! Which Python runs WSGI applications and evaluates configuration files.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What asks Python whether it has the gateway, without loading it.
const HAS_GATEWAY: &str = "import importlib.util, sys; sys.exit(importlib.util.find_spec('lab_wsgi') is None)";

/// What loads an application as a worker does. Its arguments are the fields of a worker's settings, as JSON.
const LOAD: &str = "import json, sys
from lab_wsgi.__main__ import settle_in
from lab_wsgi.application import load
settings = json.loads(sys.argv.pop())
settle_in(settings)
load(settings['app'])";

/// Why there is no Python to run an application with.
#[derive(Debug, thiserror::Error)]
pub enum InterpreterError {
    /// The folder is no virtual environment.
    #[error("{} is no virtual environment: there is no bin/python in it\nhint: make one with `python3 -m venv {}`", .0.display(), .0.display())]
    NoVenv(PathBuf),
    /// The interpreter cannot be run.
    #[error("cannot run {}: {error}\nhint: name a virtual environment with --venv, or install python3", .python.display())]
    NoPython {
        /// The interpreter.
        python: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// It lacks the gateway.
    #[error("{} has no module lab_wsgi, by which lab serves WSGI applications\nhint: install it with `{} -m pip install ./crates/lab-python`", .0.display(), .0.display())]
    NoGateway(PathBuf),
    /// The application cannot be loaded; Python has said why.
    #[error("cannot load the application {0:?}")]
    NoApplication(String),
}

/// The interpreter: that of `venv`, else that of the active environment (`VIRTUAL_ENV`), else `python3` on the path.
///
/// # Errors
/// `venv` is given and is none.
pub fn find(venv: Option<&Path>, active: Option<&str>) -> Result<PathBuf, InterpreterError> {
    let of = |folder: &Path| folder.join("bin/python");
    if let Some(venv) = venv {
        // Not resolved: it is by its own path that an interpreter knows its environment.
        let python = std::path::absolute(of(venv)).unwrap_or_else(|_| of(venv));
        return if python.exists() { Ok(python) } else { Err(InterpreterError::NoVenv(venv.to_owned())) };
    }
    let active = active.map(|folder| of(Path::new(folder))).filter(|python| python.exists());
    Ok(active.unwrap_or_else(|| PathBuf::from("python3")))
}

/// Makes sure that `python` can run the gateway, in the folder and with the module path that workers will have.
///
/// # Errors
/// It cannot be run, or has no such module.
pub fn require_gateway(python: &Path, folder: &Path, pythonpath: &[String]) -> Result<(), InterpreterError> {
    let mut command = Command::new(python);
    command.args(["-c", HAS_GATEWAY]).current_dir(folder).stdin(Stdio::null());
    command.env("PYTHONPATH", module_path(pythonpath, std::env::var_os("PYTHONPATH")));
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => Err(InterpreterError::NoGateway(python.to_owned())),
        Err(error) => Err(InterpreterError::NoPython { python: python.to_owned(), error }),
    }
}

/// Loads an application as a worker would, and says nothing more of it if that is possible. `settings` are those of a
/// worker, and `command` has what it gets into its environment.
///
/// # Errors
/// It cannot be loaded.
pub fn load_application(mut command: Command, app: &str, settings: &serde_json::Value) -> Result<(), InterpreterError> {
    let loaded = command.args(["-c", LOAD, &settings.to_string()]).stdin(Stdio::null()).status();
    match loaded {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => Err(InterpreterError::NoApplication(app.to_owned())),
        Err(error) => Err(InterpreterError::NoPython { python: command.get_program().into(), error }),
    }
}

fn module_path(pythonpath: &[String], inherited: Option<OsString>) -> OsString {
    let mut path = OsString::from(pythonpath.join(":"));
    if let Some(inherited) = inherited.filter(|inherited| !inherited.is_empty()) {
        if !path.is_empty() {
            path.push(":");
        }
        path.push(inherited);
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_that_is_named_wins() {
        let folder = tempfile::tempdir().unwrap();
        let python = folder.path().join("bin/python");
        let missing = find(Some(folder.path()), None).unwrap_err().to_string();
        assert!(missing.contains("is no virtual environment"), "{missing}");
        std::fs::create_dir(folder.path().join("bin")).unwrap();
        std::fs::write(&python, "").unwrap();
        assert_eq!(find(Some(folder.path()), Some("/other")).unwrap(), python);
        assert_eq!(find(None, folder.path().to_str()).unwrap(), python);
        assert_eq!(find(None, Some("/nowhere")).unwrap(), Path::new("python3"));
    }

    #[test]
    fn a_python_that_is_not_there_is_named() {
        let error = require_gateway(Path::new("/nowhere/python"), Path::new("/"), &[]).unwrap_err().to_string();
        assert!(error.starts_with("cannot run /nowhere/python: "), "{error}");
    }
}
