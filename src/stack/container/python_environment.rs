//! A virtual environment in a container of lab's own image. It is mounted read-only at its own path, with its interpreter
//! and standard library; the image has the libraries that they need.
//!
//! An environment contains its own path, so it cannot be moved. Below `/tmp`, which every container has in memory, only
//! mounted files exist.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Read as _};
use std::path::{Component, Path, PathBuf};
use std::process::{Command, Stdio};

use super::libraries::{self, LibrariesError};
use super::mounts;
use crate::provision;

/// Prints the module path of an interpreter, one folder per line.
const MODULES: &str = "import sys; print('\\n'.join(sys.path))";

/// Why an environment cannot be used in a container.
#[derive(Debug, thiserror::Error)]
pub enum EnvironmentError {
    #[error("cannot read the environment {}", venv.display())]
    Unreadable { venv: PathBuf, source: io::Error },
    #[error("{} does not report its module path{output}", python.display())]
    NoModulePath {
        python: PathBuf,
        /// The error, after a colon.
        output: String,
    },
    #[error(transparent)]
    Libraries(#[from] LibrariesError),
}

/// The files of this machine that a container needs to run an environment's programs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::stack) struct MountedEnvironment {
    /// Files and folders to mount at their own paths; none lies within another.
    pub(in crate::stack) mounts: Vec<PathBuf>,
    /// Libraries outside the mounts, at the paths where the loader finds them.
    pub(in crate::stack) libraries: BTreeSet<PathBuf>,
}

impl MountedEnvironment {
    /// # Errors
    /// [`EnvironmentError`].
    pub(in crate::stack) fn read(venv: &Path) -> Result<MountedEnvironment, EnvironmentError> {
        let unreadable = |source| EnvironmentError::Unreadable { venv: venv.to_owned(), source };
        let python = provision::bin(venv).join("python");
        let mut needed = links(&python).map_err(unreadable)?;
        needed.push(venv.to_owned());
        needed.extend(modules(&python)?);
        let mounts = mounts::outermost(needed);
        let mut libraries = libraries::program_libraries(&python)?;
        if let Some(loader) = libraries::program_loader(&python)? {
            for mount in &mounts {
                each_file(mount, &mut |file| {
                    if is_elf(file)? {
                        libraries.extend(libraries::module_libraries(&loader, file)?);
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

/// `python` and every link between it and the interpreter: each is looked up by its own path.
fn links(python: &Path) -> io::Result<Vec<PathBuf>> {
    // Fails for a cycle of links.
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

/// The module path of an interpreter.
fn modules(python: &Path) -> Result<Vec<PathBuf>, EnvironmentError> {
    let output = Command::new(python).args(["-I", "-c", MODULES]).stdin(Stdio::null()).output();
    let failed = |output: String| EnvironmentError::NoModulePath { python: python.to_owned(), output };
    let output = output.map_err(|error| failed(format!(": {error}")))?;
    if !output.status.success() {
        return Err(failed(format!(": {}", String::from_utf8_lossy(&output.stderr).trim())));
    }
    let paths = String::from_utf8_lossy(&output.stdout);
    // The path may contain folders that do not exist.
    Ok(paths.lines().map(PathBuf::from).filter(|folder| folder.is_absolute() && folder.is_dir()).collect())
}

/// Calls `act` for every regular file at or below `path`, without following links.
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
    fn links_to_the_interpreter_are_listed() {
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
        assert_eq!(error, "/bin/false does not report its module path: ");
        let error = modules(Path::new("/nowhere/python")).unwrap_err().to_string();
        assert!(error.starts_with("/nowhere/python does not report its module path: No such file"), "{error}");
    }
}
