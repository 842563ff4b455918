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

/// Prints the folder of an interpreter's standard library and its module path, one folder per line.
const MODULES: &str = "import os, sys; print(os.path.dirname(os.__file__), *sys.path, sep='\\n')";
/// Folders of a standard library that no server imports: its tests, development tools, and files for linking with the
/// interpreter. They are most of its bytes.
const UNUSED: [&str; 5] = ["config-*", "ensurepip", "idlelib", "test", "turtledemo"];
/// Folders of packages. They are unused unless they are on the module path.
const PACKAGES: [&str; 2] = ["dist-packages", "site-packages"];

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
    /// Folders within the mounts whose files no server reads.
    pub(in crate::stack) unused: BTreeSet<PathBuf>,
    /// Libraries outside the mounts, at the paths where the loader finds them.
    pub(in crate::stack) libraries: BTreeSet<PathBuf>,
}

impl MountedEnvironment {
    /// Reads an environment on a thread of its own, because it starts a program for each native module.
    ///
    /// # Errors
    /// [`EnvironmentError`].
    pub(in crate::stack) async fn read(venv: PathBuf) -> Result<MountedEnvironment, EnvironmentError> {
        match tokio::task::spawn_blocking(move || MountedEnvironment::read_blocking(&venv)).await {
            Ok(environment) => environment,
            Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
        }
    }

    fn read_blocking(venv: &Path) -> Result<MountedEnvironment, EnvironmentError> {
        let unreadable = |source| EnvironmentError::Unreadable { venv: venv.to_owned(), source };
        let python = provision::bin(venv).join("python");
        let mut needed = links(&python).map_err(unreadable)?;
        needed.push(venv.to_owned());
        let (standard_library, modules) = modules(&python)?;
        let unused = unused(&standard_library, &modules).map_err(unreadable)?;
        needed.extend(modules);
        let mounts = mounts::outermost(needed);
        let mut libraries = libraries::program_libraries(&python)?;
        if let Some(loader) = libraries::program_loader(&python)? {
            for mount in &mounts {
                each_file(mount, &unused, &mut |file| {
                    if is_elf(file)? {
                        libraries.extend(libraries::module_libraries(&loader, file)?);
                    }
                    Ok(())
                })
                .map_err(unreadable)?;
            }
        }
        libraries.retain(|library| !mounts.iter().any(|mount| library.starts_with(mount)));
        Ok(MountedEnvironment { mounts, unused, libraries })
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

/// The folder of an interpreter's standard library, and its module path.
fn modules(python: &Path) -> Result<(PathBuf, Vec<PathBuf>), EnvironmentError> {
    let output = Command::new(python).args(["-I", "-c", MODULES]).stdin(Stdio::null()).output();
    let failed = |output: String| EnvironmentError::NoModulePath { python: python.to_owned(), output };
    let output = output.map_err(|error| failed(format!(": {error}")))?;
    if !output.status.success() {
        return Err(failed(format!(": {}", String::from_utf8_lossy(&output.stderr).trim())));
    }
    let paths = String::from_utf8_lossy(&output.stdout);
    let mut paths = paths.lines().map(PathBuf::from);
    let standard_library = paths.next().ok_or_else(|| failed(String::new()))?;
    // The path may contain folders that do not exist.
    Ok((standard_library, paths.filter(|folder| folder.is_absolute() && folder.is_dir()).collect()))
}

/// The folders of a standard library that hold nothing of the module path.
fn unused(standard_library: &Path, modules: &[PathBuf]) -> io::Result<BTreeSet<PathBuf>> {
    let is_unused = |name: &str| {
        let matches = |pattern: &&str| match pattern.strip_suffix('*') {
            Some(prefix) => name.starts_with(prefix),
            None => name == *pattern,
        };
        UNUSED.iter().chain(&PACKAGES).any(matches)
    };
    let mut unused = BTreeSet::new();
    for entry in fs::read_dir(standard_library)? {
        let entry = entry?;
        let (path, name) = (entry.path(), entry.file_name());
        let is_imported = modules.iter().any(|module| module.starts_with(&path));
        if entry.file_type()?.is_dir() && is_unused(&name.to_string_lossy()) && !is_imported {
            unused.insert(path);
        }
    }
    Ok(unused)
}

/// Calls `act` for every regular file at or below `path`, without following links or entering `unused` folders.
fn each_file(path: &Path, unused: &BTreeSet<PathBuf>, act: &mut dyn FnMut(&Path) -> io::Result<()>) -> io::Result<()> {
    let kind = path.symlink_metadata()?.file_type();
    if kind.is_dir() && !unused.contains(path) {
        for entry in fs::read_dir(path)? {
            each_file(&entry?.path(), unused, act)?;
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
    fn packages_are_unused_unless_they_are_on_the_module_path() {
        let folder = tempfile::tempdir().unwrap();
        let library = folder.path();
        for name in ["config-3.13-x86_64", "json", "site-packages", "test", "dist-packages/own"] {
            fs::create_dir_all(library.join(name)).unwrap();
        }
        let modules = [library.to_owned(), library.join("dist-packages/own")];
        let expected = ["config-3.13-x86_64", "site-packages", "test"].map(|name| library.join(name));
        assert_eq!(unused(library, &modules).unwrap(), BTreeSet::from(expected));
    }

    #[test]
    fn an_environment_without_an_interpreter_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let error = MountedEnvironment::read_blocking(folder.path()).unwrap_err();
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
