//! What a kind needs to run: virtual environments, programs, versions of what was found.
//!
//! [`Installed`] looks and changes nothing; [`provision`] makes environments, [`relock`] pins what is in them. A kind
//! whose version is unknown is not run. Nothing here prints, and nothing knows scenarios.

mod environment;
mod install;
mod lock;
mod python;
mod version;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::catalog::Role;
use crate::catalog::kind::{Install, Interface, Kind};

pub use environment::{Environment, EnvironmentState};
pub use install::{ProvisionError, ProvisionOutcome, ProvisionStep, provision};
pub use lock::{LockError, relock};
pub use python::Python;

/// Where things are, and with which Python environments are made.
#[derive(Debug, Clone)]
pub struct ToolPaths {
    /// The lab binary.
    pub lab: PathBuf,
    /// The folder that environments are kept in.
    pub cache: PathBuf,
    /// The Python they are made with; or why there is none.
    pub python: Result<Python, String>,
}

/// A kind as it is on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installation {
    /// Its version.
    pub version: String,
    /// The virtual environment it is in, if it is in one.
    pub venv: Option<PathBuf>,
    /// The program its package brings, if it has one.
    pub program: Option<PathBuf>,
}

/// What of some kinds is on this machine.
#[derive(Debug, Clone, Default)]
pub struct Installed {
    found: BTreeMap<(Role, String, Option<Interface>), Result<Installation, String>>,
}

impl Installed {
    /// Looks for a kind. `app` is the interface of the app it is to host, `requirements` what that app needs of pip.
    pub fn probe(&mut self, kind: &Kind, app: Option<Interface>, requirements: &str, paths: &ToolPaths) {
        let key = (kind.role, kind.name.clone(), app);
        self.found.entry(key).or_insert_with(|| find(kind, app, requirements, paths));
    }

    /// What was found of it.
    ///
    /// # Errors
    /// Why it is not there, in words.
    pub fn get(&self, kind: &Kind, app: Option<Interface>) -> Result<&Installation, &str> {
        match self.found.get(&(kind.role, kind.name.clone(), app)) {
            Some(found) => found.as_ref().map_err(String::as_str),
            None => Err("it was not looked for"),
        }
    }
}

/// Finds a kind on this machine.
///
/// # Errors
/// Why it cannot be run, in words for a table: it is gone, it is not installed, it could not be built, its version is
/// unknown.
pub fn find(
    kind: &Kind,
    app: Option<Interface>,
    requirements: &str,
    paths: &ToolPaths,
) -> Result<Installation, String> {
    if let Err(reason) = &kind.run {
        return Err(reason.clone());
    }
    let mut found = Installation { version: String::new(), venv: None, program: None };
    match &kind.install {
        Install::Lab | Install::Nowhere => {}
        Install::Image(image) => {
            return Err(format!("it is to be had as the image {image} only: run it with `--backend container`"));
        }
        Install::Debian { package, program } => {
            let path = program_on_path(program)
                .ok_or_else(|| format!("`{program}` is not installed: apt-get install {package}"))?;
            found.program = Some(path);
        }
        // An app that is built into lab needs no Python.
        Install::Environment { .. } if app == Some(Interface::Native) => {}
        Install::Environment { .. } => {
            let environment = Environment::for_kind(kind, requirements, paths)?;
            match environment.state() {
                EnvironmentState::Ready => found.venv = Some(environment.folder),
                EnvironmentState::Failed(reason) => return Err(reason),
                EnvironmentState::Missing => {
                    return Err(format!("not provisioned: `lab provision {}` does it", kind.name));
                }
            }
        }
    }
    found.version = version::find(kind, &found, &paths.lab)?;
    Ok(found)
}

/// A program on the path, or where Debian keeps what only administrators have on theirs.
fn program_on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin", "/usr/local/sbin", "/sbin"].map(PathBuf::from));
    folders.map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// The folder of programs of an environment.
#[must_use]
pub fn bin(venv: &Path) -> PathBuf {
    venv.join("bin")
}
