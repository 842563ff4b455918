//! A kind's virtual environment: its location and whether it is ready.
//!
//! The name of its folder contains a digest of the Python, the lock file, the source and the app's requirements. A change of
//! any of them leads to another environment, so an environment never changes.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::ToolPaths;
use super::app_packages::AppPackages;
use super::python::Python;
use super::wheels::Wheels;
use crate::catalog::kind::{Install, Kind};

/// Written last. An environment without it is incomplete.
const MARK: &str = "lab-complete";
/// The digits of the digest in a name.
const DIGITS: usize = 12;

/// A kind's virtual environment, which may not exist yet.
#[derive(Debug, Clone)]
pub struct Environment {
    pub folder: PathBuf,
    /// The lock file, or the requirements if there is no lock file yet.
    pub requirements: String,
    /// Source folders. pip installs the first one.
    pub source: Vec<PathBuf>,
    /// The wheels that an installed lab brings instead of the source.
    pub wheels: Option<Wheels>,
    /// Debian packages that the build needs.
    pub needs: Vec<String>,
    /// The requirements of the app.
    pub app_requirements: String,
    /// The app's own environment, whose packages come before those of this one.
    pub app_venv: Option<PathBuf>,
    pub python: Python,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EnvironmentState {
    /// Complete.
    Ready,
    /// The last attempt to create it failed.
    Failed(String),
    /// Absent or incomplete.
    Missing,
}

impl Environment {
    /// # Errors
    /// The kind is not installed in an environment, there is no Python, or the source cannot be read.
    pub fn for_kind(kind: &Kind, packages: &AppPackages, paths: &ToolPaths) -> Result<Environment, String> {
        let Install::Environment { pip, source, wheel, needs, lock, .. } = &kind.install else {
            return Err(format!("`{}` is not installed in an environment", kind.name));
        };
        let (app_requirements, app_venv) = match packages {
            AppPackages::None => ("", None),
            AppPackages::Requirements(text) => (text.as_str(), None),
            AppPackages::Venv(venv) => ("", Some(venv.as_path())),
        };
        let python = match app_venv {
            // Its packages may be compiled for another Python than lab's.
            Some(venv) => Python::find(Some(&super::bin(venv).join("python")))?,
            None => paths.python.clone()?,
        };
        let requirements = lock.clone().unwrap_or_else(|| pip.iter().map(|one| format!("{one}\n")).collect());
        let mut digest = Sha256::new();
        for part in [&python.identity, &requirements, app_requirements] {
            digest.update(part);
            digest.update([0]);
        }
        if let Some(venv) = app_venv {
            digest.update(venv.as_os_str().as_encoded_bytes());
            digest.update([0]);
        }
        let wheels = wheel.as_ref().and_then(|distribution| Wheels::find(&paths.lab, distribution));
        if let Some(wheels) = &wheels {
            let unreadable = |error| format!("the wheels in {} cannot be read: {error}", wheels.folder.display());
            wheels.add_to(&mut digest).map_err(unreadable)?;
        }
        let source: &[PathBuf] = if wheels.is_some() { &[] } else { source };
        for folder in source {
            add_source(folder, &mut digest).map_err(|error| {
                format!("it is built from {}, which cannot be read here: {error}", folder.display())
            })?;
        }
        let digest: String = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Environment {
            folder: paths.cache.join("venvs").join(format!("{}-{}", kind.name, &digest[..DIGITS])),
            requirements,
            source: source.to_vec(),
            wheels,
            needs: needs.clone(),
            app_requirements: app_requirements.to_owned(),
            app_venv: app_venv.map(Path::to_owned),
            python,
        })
    }

    #[must_use]
    pub fn state(&self) -> EnvironmentState {
        if fs::read(self.folder.join(MARK)).is_ok_and(|mark| mark == self.mark_content()) {
            return EnvironmentState::Ready;
        }
        match fs::read_to_string(self.beside("failed")) {
            Ok(reason) => EnvironmentState::Failed(reason),
            Err(_) => EnvironmentState::Missing,
        }
    }

    #[must_use]
    pub fn python_program(&self) -> PathBuf {
        super::bin(&self.folder).join("python")
    }

    /// A file beside the folder, such as its log or its lock.
    #[must_use]
    pub fn beside(&self, extension: &str) -> PathBuf {
        let mut path = self.folder.clone().into_os_string();
        path.push(".");
        path.push(extension);
        path.into()
    }

    /// Marks the environment as complete.
    pub(super) fn mark(&self) -> io::Result<()> {
        fs::write(self.folder.join(MARK), self.mark_content())
    }

    /// Programs in an environment start the Python of its first path, so one that was moved or copied is incomplete.
    fn mark_content(&self) -> Vec<u8> {
        [self.python.identity.as_bytes(), b"\n", self.folder.as_os_str().as_encoded_bytes(), b"\n"].concat()
    }
}

/// Adds every source file below `folder` to the digest, in a fixed order.
fn add_source(folder: &Path, digest: &mut Sha256) -> io::Result<()> {
    let mut entries: Vec<PathBuf> = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
    entries.sort();
    for path in entries {
        if path.is_dir() {
            if path.file_name().is_none_or(|name| name != "target" && name != "__pycache__") {
                add_source(&path, digest)?;
            }
        } else if path.extension().is_some_and(|own| ["rs", "py", "toml", "lock"].iter().any(|known| own == *known)) {
            digest.update(fs::read(&path)?);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moved_environment_is_missing() {
        let cache = tempfile::tempdir().unwrap();
        let environment = |name: &str| Environment {
            folder: cache.path().join(name),
            requirements: String::new(),
            source: Vec::new(),
            wheels: None,
            needs: Vec::new(),
            app_requirements: String::new(),
            app_venv: None,
            python: Python { program: PathBuf::from("python3"), identity: "CPython 3.13".to_owned() },
        };
        let (first, moved) = (environment("first"), environment("moved"));
        fs::create_dir(&first.folder).unwrap();
        assert_eq!(first.state(), EnvironmentState::Missing);
        first.mark().unwrap();
        assert_eq!(first.state(), EnvironmentState::Ready);
        fs::rename(&first.folder, &moved.folder).unwrap();
        assert_eq!(moved.state(), EnvironmentState::Missing);
    }
}
