//! Finds and installs kinds: virtual environments, programs, versions.
//!
//! [`Installed`] only searches; [`provision`] creates environments, [`relock`] pins their packages. A kind whose version is
//! unknown is not run. Nothing here prints, and nothing knows scenarios.

mod app_lock;
mod app_packages;
mod distributions;
mod environment;
mod install;
mod lock;
mod project_file;
mod python;
mod requirements_file;
mod version;
mod wheels;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::catalog::Role;
use crate::catalog::kind::{Install, Interface, Kind};

pub use app_packages::AppPackages;
pub use environment::{Environment, EnvironmentState};
pub use install::{ProvisionError, ProvisionOutcome, ProvisionStep, provision};
pub use lock::{LockError, relock};
pub use python::Python;
pub use requirements_file::{RequirementsError, read as read_requirements};
pub use wheels::Wheels;

/// The paths of lab's tools.
#[derive(Debug, Clone)]
pub struct ToolPaths {
    /// The lab binary.
    pub lab: PathBuf,
    /// The folder of the environments.
    pub cache: PathBuf,
    /// The Python of the environments, or why there is none.
    pub python: Result<Python, String>,
}

/// An installed kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installation {
    pub version: String,
    /// The virtual environment, if it is installed in one.
    pub venv: Option<PathBuf>,
    /// The program of its Debian package.
    pub program: Option<PathBuf>,
}

impl Installation {
    /// Whether an application brought another version of the kind than the one that lab installs.
    #[must_use]
    pub fn is_of_other_version(&self, kind: &Kind) -> bool {
        let Install::Environment { pip, .. } = &kind.install else { return false };
        let pinned = pip.first().and_then(|first| first.split_once("=="));
        pinned.is_some_and(|(_, version)| version.trim() != self.version)
    }
}

/// A kind as some deployment needs it.
#[derive(Debug, Clone, Copy)]
pub struct RequiredKind<'a> {
    /// The name of the deployment.
    pub deployment: &'a str,
    pub kind: &'a Kind,
    /// The interface of the app it will host; `None` for a proxy.
    pub app: Option<Interface>,
    /// The packages of that app.
    pub packages: &'a AppPackages,
}

/// What distinguishes installations: two versions of a deployment may need a kind of one name with different requirements.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct InstallationKey {
    role: Role,
    name: String,
    sha256: String,
    app: Option<Interface>,
    packages: AppPackages,
    /// The lab binary, which an earlier version may have of its own.
    lab: PathBuf,
}

/// The installations of some kinds on this machine.
#[derive(Debug, Clone, Default)]
pub struct Installed {
    found: BTreeMap<InstallationKey, Result<Installation, String>>,
    required: BTreeMap<(String, Role), InstallationKey>,
}

impl Installed {
    /// Searches for a kind, unless an equal one was searched for.
    pub fn probe(&mut self, required: RequiredKind<'_>, paths: &ToolPaths) {
        let RequiredKind { deployment, kind, app, packages } = required;
        let key = InstallationKey {
            role: kind.role,
            name: kind.name.clone(),
            sha256: kind.sha256.clone(),
            app,
            packages: packages.clone(),
            lab: paths.lab.clone(),
        };
        self.required.insert((deployment.to_owned(), kind.role), key.clone());
        self.found.entry(key).or_insert_with(|| find(kind, app, packages, paths));
    }

    /// The installation that [`probe`](Installed::probe) has found for a role of a deployment.
    ///
    /// # Errors
    /// Why the kind is not installed, as a message.
    pub fn get(&self, deployment: &str, role: Role) -> Result<&Installation, &str> {
        let key = self.required.get(&(deployment.to_owned(), role));
        match key.and_then(|key| self.found.get(key)) {
            Some(found) => found.as_ref().map_err(String::as_str),
            None => Err("it was not searched for"),
        }
    }
}

/// Finds a kind on this machine.
///
/// # Errors
/// Why it cannot be run, as a message for a table.
pub fn find(
    kind: &Kind,
    app: Option<Interface>,
    packages: &AppPackages,
    paths: &ToolPaths,
) -> Result<Installation, String> {
    if let Err(reason) = &kind.run {
        return Err(reason.clone());
    }
    let mut found = Installation { version: String::new(), venv: None, program: None };
    match &kind.install {
        Install::Lab | Install::Nowhere => {}
        Install::Image(image) => {
            return Err(format!("it is available only as the image {image}: run it with `--backend container`"));
        }
        Install::Debian { package, program } => {
            let path = program_on_path(program)
                .ok_or_else(|| format!("`{program}` is not installed: apt-get install {package}"))?;
            found.program = Some(path);
        }
        // An app that is built into lab needs no Python.
        Install::Environment { .. } if app == Some(Interface::Native) => {}
        Install::Environment { .. } => match packages.environment_with(kind, app) {
            Some(venv) => found.venv = Some(venv.to_owned()),
            None => {
                let environment = Environment::for_kind(kind, packages, paths)?;
                match environment.state() {
                    EnvironmentState::Ready => found.venv = Some(environment.folder),
                    EnvironmentState::Failed(reason) => return Err(reason),
                    EnvironmentState::Missing => {
                        let what = if *packages == AppPackages::None { &kind.name } else { "SCENARIO.toml" };
                        return Err(format!("not provisioned: run `lab provision {what}`"));
                    }
                }
            }
        },
    }
    found.version = version::find(kind, &found, packages, &paths.lab)?;
    Ok(found)
}

/// The folders that only administrators have on their path.
pub const ADMIN_FOLDERS: [&str; 3] = ["/usr/sbin", "/usr/local/sbin", "/sbin"];

/// A program on the path or in the folders of administrators.
fn program_on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(ADMIN_FOLDERS.map(PathBuf::from));
    folders.map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// Whether a program is on the path or in the folders of administrators.
#[must_use]
pub fn is_on_path(program: &str) -> bool {
    program_on_path(program).is_some()
}

/// The folder of an environment's programs.
#[must_use]
pub fn bin(venv: &Path) -> PathBuf {
    venv.join("bin")
}
