//! A kind's virtual environment: where it is, and whether it is whole.
//!
//! Its name says what is in it: a digest of the Python, the lock file, the source and the app's requirements. What
//! changes any of them leads to another environment, so none is ever changed.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::{Places, Python};
use crate::catalog::kind::{Install, Kind};

/// Written last: an environment without it was left half-made.
const MARK: &str = "lab-complete";
/// Digits of the digest that a name has.
const DIGITS: usize = 12;

/// A kind's virtual environment, made or not.
#[derive(Debug, Clone)]
pub struct Environment {
    /// Its folder.
    pub folder: PathBuf,
    /// What is installed from the index: the lock file, or the requirements where there is none yet.
    pub requirements: String,
    /// The folders of source it is built from; the first is what pip installs.
    pub source: Vec<PathBuf>,
    /// Debian packages its build needs.
    pub needs: Vec<String>,
    /// What the app needs on top.
    pub app_requirements: String,
    /// The Python.
    pub python: Python,
}

/// Whether an environment is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// It is, and whole.
    Whole,
    /// It could not be made, the last time it was tried.
    Failed(String),
    /// It is not, or only half.
    Missing,
}

impl Environment {
    /// The environment of a kind that is installed in one.
    ///
    /// # Errors
    /// There is no Python, or the source it is built from is not there.
    pub fn of(kind: &Kind, app_requirements: &str, places: &Places) -> Result<Environment, String> {
        let Install::Environment { pip, source, needs, lock, .. } = &kind.install else {
            return Err(format!("`{}` is not installed in an environment", kind.name));
        };
        let python = places.python.clone()?;
        let requirements = lock.clone().unwrap_or_else(|| pip.iter().map(|one| format!("{one}\n")).collect());
        let mut digest = Sha256::new();
        for part in [&python.identity, &requirements, app_requirements] {
            digest.update(part);
            digest.update([0]);
        }
        for folder in source {
            add_source(folder, &mut digest).map_err(|error| {
                format!("it is built from {}, which cannot be read here: {error}", folder.display())
            })?;
        }
        let digest: String = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Environment {
            folder: places.cache.join("venvs").join(format!("{}-{}", kind.name, &digest[..DIGITS])),
            requirements,
            source: source.clone(),
            needs: needs.clone(),
            app_requirements: app_requirements.to_owned(),
            python,
        })
    }

    /// Whether it is there.
    #[must_use]
    pub fn state(&self) -> State {
        if self.folder.join(MARK).is_file() {
            return State::Whole;
        }
        match fs::read_to_string(self.beside("failed")) {
            Ok(reason) => State::Failed(reason),
            Err(_) => State::Missing,
        }
    }

    /// Its Python.
    #[must_use]
    pub fn own_python(&self) -> PathBuf {
        super::bin(&self.folder).join("python")
    }

    /// A file beside its folder: its log, its lock.
    #[must_use]
    pub fn beside(&self, extension: &str) -> PathBuf {
        let mut path = self.folder.clone().into_os_string();
        path.push(".");
        path.push(extension);
        path.into()
    }

    /// Says that it is whole.
    pub(super) fn mark(&self) -> io::Result<()> {
        fs::write(self.folder.join(MARK), format!("{}\n", self.python.identity))
    }
}

/// Adds every file of source code below `folder`, in a fixed order.
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
