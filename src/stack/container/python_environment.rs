//! A virtual environment in a container of lab's own image: mounted read-only where it is on this machine, with the
//! interpreter and the standard library it was made with. The image has the libraries that all of it needs.
//!
//! An environment knows itself by its path, so it cannot be moved; and below `/tmp`, where every container has a folder
//! in memory, only what is mounted is seen.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Read as _};
use std::path::{Component, Path, PathBuf};
use std::process::{Command, Stdio};

use super::libraries::{self, LibrariesError};
use super::mounts;
use crate::provision;

/// Asks an interpreter where it takes modules from, whatever the caller's variables and folder; a line each.
const MODULES: &str = "import sys; print('\\n'.join(sys.path))";

/// Why an environment cannot be taken into a container.
#[derive(Debug, thiserror::Error)]
pub enum EnvironmentError {
    /// It cannot be read.
    #[error("cannot read the environment {}", venv.display())]
    Unreadable {
        /// Its folder.
        venv: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Its interpreter does not report its module path.
    #[error("{} does not say where it takes modules from{said}", python.display())]
    Silent {
        /// The interpreter.
        python: PathBuf,
        /// What it says instead, after a colon.
        said: String,
    },
    /// It is not known which libraries it needs.
    #[error(transparent)]
    Libraries(#[from] LibrariesError),
}

/// What a container needs of this machine, to run what is in an environment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct MountedEnvironment {
    /// Files and folders to be mounted, each at its own path; none lies within another.
    pub(super) mounts: Vec<PathBuf>,
    /// Libraries outside of those, each at the path where the loader finds it.
    pub(super) libraries: BTreeSet<PathBuf>,
}

impl MountedEnvironment {
    /// What the virtual environment in `venv` needs.
    ///
    /// # Errors
    /// [`EnvironmentError`].
    pub(super) fn read(venv: &Path) -> Result<MountedEnvironment, EnvironmentError> {
        let unreadable = |source| EnvironmentError::Unreadable { venv: venv.to_owned(), source };
        let python = provision::bin(venv).join("python");
        let mut needed = links(&python).map_err(unreadable)?;
        needed.push(venv.to_owned());
        needed.extend(modules(&python)?);
        let mounts = mounts::outermost(needed);
        let mut libraries = libraries::needed_by(&python)?;
        if let Some(loader) = libraries::loader_of(&python)? {
            for mount in &mounts {
                each_file(mount, &mut |file| {
                    if is_elf(file)? {
                        libraries.extend(libraries::found_for(&loader, file)?);
                    }
                    Ok(())
                })
                .map_err(unreadable)?;
            }
        }
        libraries.retain(|library| !mounts.iter().any(|mount| library.starts_with(mount)));
        Ok(MountedEnvironment { mounts, libraries })
    }
}

/// `python`, and whatever it leads to, link by link: each is looked up by its own path.
fn links(python: &Path) -> io::Result<Vec<PathBuf>> {
    // Links that lead in a circle end here.
    fs::metadata(python)?;
    let mut links = vec![python.to_owned()];
    let mut at = python.to_owned();
    while at.symlink_metadata()?.is_symlink() {
        at = plain(&at.parent().unwrap_or(Path::new("/")).join(fs::read_link(&at)?));
        links.push(at.clone());
    }
    Ok(links)
}

/// The path without `.` and `..`, which engines refuse.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                plain.pop();
            }
            other => plain.push(other),
        }
    }
    plain
}

/// The folders that an interpreter takes modules from.
fn modules(python: &Path) -> Result<Vec<PathBuf>, EnvironmentError> {
    let asked = Command::new(python).args(["-I", "-c", MODULES]).stdin(Stdio::null()).output();
    let silent = |said: String| EnvironmentError::Silent { python: python.to_owned(), said };
    let asked = asked.map_err(|error| silent(format!(": {error}")))?;
    if !asked.status.success() {
        return Err(silent(format!(": {}", String::from_utf8_lossy(&asked.stderr).trim())));
    }
    let said = String::from_utf8_lossy(&asked.stdout);
    // Some are on the path for the case that somebody makes them.
    Ok(said.lines().map(PathBuf::from).filter(|folder| folder.is_absolute() && folder.is_dir()).collect())
}

/// Hands on every regular file at or below `path`; links are not followed.
fn each_file(path: &Path, act: &mut dyn FnMut(&Path) -> io::Result<()>) -> io::Result<()> {
    let kind = path.symlink_metadata()?.file_type();
    if kind.is_dir() {
        for entry in fs::read_dir(path)? {
            each_file(&entry?.path(), act)?;
        }
    } else if kind.is_file() {
        act(path)?;
    }
    Ok(())
}

fn is_elf(file: &Path) -> io::Result<bool> {
    let mut magic = Vec::new();
    fs::File::open(file)?.take(4).read_to_end(&mut magic)?;
    Ok(magic == b"\x7fELF")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn every_link_on_the_way_to_the_interpreter_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir_all(at("venv/bin")).unwrap();
        fs::create_dir_all(at("python/bin")).unwrap();
        fs::write(at("python/bin/python3.11"), "").unwrap();
        symlink("python3.11", at("python/bin/python3")).unwrap();
        symlink("../../python/bin/python3", at("venv/bin/python3")).unwrap();
        symlink("python3", at("venv/bin/python")).unwrap();
        let expected = ["venv/bin/python", "venv/bin/python3", "python/bin/python3", "python/bin/python3.11"].map(at);
        assert_eq!(links(&at("venv/bin/python")).unwrap(), expected);

        symlink("round", at("round")).unwrap();
        assert!(links(&at("round")).is_err());
    }

    #[test]
    fn an_environment_without_an_interpreter_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let error = MountedEnvironment::read(folder.path()).unwrap_err();
        assert!(matches!(error, EnvironmentError::Unreadable { .. }), "{error}");
        assert!(error.to_string().contains(&folder.path().display().to_string()), "{error}");
    }

    #[test]
    fn an_interpreter_that_fails_is_quoted() {
        let error = modules(Path::new("/bin/false")).unwrap_err().to_string();
        assert_eq!(error, "/bin/false does not say where it takes modules from: ");
        let error = modules(Path::new("/nowhere/python")).unwrap_err().to_string();
        assert!(error.starts_with("/nowhere/python does not say where it takes modules from: No such file"), "{error}");
    }
}
