//! Finds the Python interpreter that runs WSGI applications and evaluates configuration files.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A program that exits with 1 if Python lacks the gateway. It does not import it.
const HAS_GATEWAY: &str = "import importlib.util, sys; sys.exit(importlib.util.find_spec('lab_wsgi') is None)";

/// A program that prints the version of gevent.
const GEVENT_VERSION: &str = "import gevent; print(gevent.__version__)";

/// The oldest gevent that gunicorn 27 accepts.
const OLDEST_GEVENT: [u32; 3] = [24, 10, 1];

/// A program that loads an application as a worker does. Its argument is a worker's settings, as JSON.
const LOAD: &str = "import json, sys
from lab_wsgi.__main__ import prepare_process
from lab_wsgi.application import load
settings = json.loads(sys.argv.pop())
prepare_process(settings)
if settings['worker_class'] == 'gevent':
    from lab_wsgi.greenlets import patch
    patch()
load(settings['app'], settings.get('paste_global_conf', []))";

/// Why no interpreter can run the application.
#[derive(Debug, thiserror::Error)]
pub enum InterpreterError {
    #[error("{} is not a virtual environment: it has no bin/python\nhint: make one with `python3 -m venv {}`", .0.display(), .0.display())]
    NoVenv(PathBuf),
    #[error("cannot run {}: {error}\nhint: name a virtual environment with --venv, or install python3", .python.display())]
    NoPython { python: PathBuf, error: std::io::Error },
    #[error("{} has no module lab_wsgi, which lab needs to serve WSGI applications\nhint: install it with `{} -m pip install {}`", .0.display(), .0.display(), gateway_source())]
    NoGateway(PathBuf),
    /// gevent is missing or too old. Without a version Python has printed why it cannot be imported.
    #[error("{} {}, and worker_class = gevent needs gevent 24.10.1 or later\nhint: install it with `{} -m pip install 'gevent>=24.10.1'`",
        .python.display(), found_gevent(.version.as_deref()), .python.display())]
    NoGevent { python: PathBuf, version: Option<String> },
    /// The application cannot be loaded. Python has printed the reason.
    #[error("cannot load the application {0:?}")]
    NoApplication(String),
}

/// What pip is to install: the wheels that an installed lab brings, or the source.
fn gateway_source() -> String {
    let binary = std::env::current_exe().unwrap_or_default();
    let wheels = binary.ancestors().nth(2).map(|prefix| prefix.join("share/lab/wheels"));
    match wheels.filter(|folder| folder.is_dir()) {
        Some(folder) => format!("--no-index --find-links {} lab-wsgi", folder.display()),
        None => "./crates/lab-python".to_owned(),
    }
}

/// Finds the interpreter: that of `venv`, otherwise that of the active environment (`VIRTUAL_ENV`), otherwise `python3`
/// on the path.
///
/// # Errors
/// `venv` is not a virtual environment.
pub fn find(venv: Option<&Path>, active: Option<&str>) -> Result<PathBuf, InterpreterError> {
    let python_in = |folder: &Path| folder.join("bin/python");
    if let Some(venv) = venv {
        // Symbolic links are kept: Python finds its environment by the path it was started with.
        let python = std::path::absolute(python_in(venv)).unwrap_or_else(|_| python_in(venv));
        return if python.exists() { Ok(python) } else { Err(InterpreterError::NoVenv(venv.to_owned())) };
    }
    let active = active.map(|folder| python_in(Path::new(folder))).filter(|python| python.exists());
    Ok(active.unwrap_or_else(|| PathBuf::from("python3")))
}

fn found_gevent(version: Option<&str>) -> String {
    match version {
        None => "cannot import gevent".to_owned(),
        Some(version) => format!("has gevent {version}"),
    }
}

/// Checks that `python` has the gateway, in the folder and with the module path of the workers.
///
/// # Errors
/// The interpreter cannot be run, or lacks the module.
pub fn require_gateway(python: &Path, folder: &Path, pythonpath: &[String]) -> Result<(), InterpreterError> {
    match program(HAS_GATEWAY, python, folder, pythonpath).status() {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => Err(InterpreterError::NoGateway(python.to_owned())),
        Err(error) => Err(InterpreterError::NoPython { python: python.to_owned(), error }),
    }
}

/// Checks that `python` has a gevent that workers can use, in their folder and with their module path.
///
/// # Errors
/// The interpreter cannot be run, or its gevent is missing or too old.
pub fn require_gevent(python: &Path, folder: &Path, pythonpath: &[String]) -> Result<(), InterpreterError> {
    let mut command = program(GEVENT_VERSION, python, folder, pythonpath);
    let output = command.stderr(Stdio::inherit()).output();
    let output = output.map_err(|error| InterpreterError::NoPython { python: python.to_owned(), error })?;
    let version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let version = Some(version).filter(|version| output.status.success() && !version.is_empty());
    if version.as_deref().is_some_and(is_recent_gevent) {
        return Ok(());
    }
    Err(InterpreterError::NoGevent { python: python.to_owned(), version })
}

fn is_recent_gevent(version: &str) -> bool {
    // A pre-release has letters behind its last number: 25.1.0rc2.
    let number = |part: &str| part.split(|c: char| !c.is_ascii_digit()).next().and_then(|digits| digits.parse().ok());
    let numbers: Vec<u32> = version.split('.').map_while(number).collect();
    numbers.as_slice() >= OLDEST_GEVENT.as_slice()
}

/// A command that runs a program in the folder and with the module path of the workers.
fn program(text: &str, python: &Path, folder: &Path, pythonpath: &[String]) -> Command {
    let mut command = Command::new(python);
    command.args(["-c", text]).current_dir(folder).stdin(Stdio::null());
    command.env("PYTHONPATH", module_path(pythonpath, std::env::var_os("PYTHONPATH")));
    command
}

/// Loads an application as a worker would. `settings` are those of a worker; `command` has a worker's environment.
///
/// # Errors
/// The application cannot be loaded.
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
    fn named_environment_wins() {
        let folder = tempfile::tempdir().unwrap();
        let python = folder.path().join("bin/python");
        let missing = find(Some(folder.path()), None).unwrap_err().to_string();
        assert!(missing.contains("is not a virtual environment"), "{missing}");
        std::fs::create_dir(folder.path().join("bin")).unwrap();
        std::fs::write(&python, "").unwrap();
        assert_eq!(find(Some(folder.path()), Some("/other")).unwrap(), python);
        assert_eq!(find(None, folder.path().to_str()).unwrap(), python);
        assert_eq!(find(None, Some("/nowhere")).unwrap(), Path::new("python3"));
    }

    #[test]
    fn versions_of_gevent_are_compared_by_number() {
        for version in ["24.10.1", "24.11.1", "25.4.2", "26.9.0", "25.1.0rc2", "24.10.1.post1", "25.1"] {
            assert!(is_recent_gevent(version), "{version}");
        }
        for version in ["1.5.0", "23.9.1", "24.2.1", "24.10.0", "", "unknown"] {
            assert!(!is_recent_gevent(version), "{version}");
        }
    }

    #[test]
    fn missing_interpreter_is_named() {
        let error = require_gateway(Path::new("/nowhere/python"), Path::new("/"), &[]).unwrap_err().to_string();
        assert!(error.starts_with("cannot run /nowhere/python: "), "{error}");
    }
}
