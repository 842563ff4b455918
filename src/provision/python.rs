//! The Python of the environments.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::program_on_path;

/// Prints the properties of a Python that environments depend on.
const IDENTITY_SCRIPT: &str = "import platform, sys; print(platform.python_implementation(), platform.python_version(), \
                        platform.machine(), sys.base_prefix)";

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Python {
    pub program: PathBuf,
    /// Implementation, version, machine and prefix, as in `CPython 3.11.7 x86_64 /usr`.
    pub identity: String,
}

impl Python {
    /// Finds the given path or name, by default `python3`.
    ///
    /// # Errors
    /// There is no such program, or it is not a Python.
    pub fn find(name: Option<&Path>) -> Result<Python, String> {
        let name = name.unwrap_or(Path::new("python3"));
        let program = match name.to_str() {
            Some(bare) if !bare.contains('/') => program_on_path(bare),
            _ => std::path::absolute(name).ok().filter(|path| path.is_file()),
        };
        let program = program.ok_or_else(|| format!("there is no Python `{}`", name.display()))?;
        let output = Command::new(&program).args(["-c", IDENTITY_SCRIPT]).stdin(Stdio::null()).output();
        let output = output.map_err(|error| format!("cannot start {}: {error}", program.display()))?;
        let identity = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        match output.status.success() && !identity.is_empty() {
            true => Ok(Python { program, identity }),
            false => Err(format!("{} does not say which Python it is", program.display())),
        }
    }

    /// As in `3.11`.
    #[must_use]
    pub fn minor_version(&self) -> String {
        let version = self.identity.split(' ').nth(1).unwrap_or_default();
        version.split('.').take(2).collect::<Vec<_>>().join(".")
    }
}
