//! The Python that environments are made with.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::program_on_path;

/// What a Python says of itself: enough to tell two apart whose environments are not the same.
const QUESTION: &str = "import platform, sys; print(platform.python_implementation(), platform.python_version(), \
                        platform.machine(), sys.base_prefix)";

/// A Python.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Python {
    /// Its program.
    pub program: PathBuf,
    /// Which one it is: `CPython 3.11.7 x86_64 /usr`.
    pub identity: String,
}

impl Python {
    /// The one that is `asked` for by path or name, else `python3`.
    ///
    /// # Errors
    /// There is none, or it does not say what it is.
    pub fn find(asked: Option<&Path>) -> Result<Python, String> {
        let name = asked.unwrap_or(Path::new("python3"));
        let program = match name.to_str() {
            Some(bare) if !bare.contains('/') => program_on_path(bare),
            _ => std::path::absolute(name).ok().filter(|path| path.is_file()),
        };
        let program = program.ok_or_else(|| format!("there is no Python `{}`", name.display()))?;
        let output = Command::new(&program).args(["-c", QUESTION]).stdin(Stdio::null()).output();
        let output = output.map_err(|error| format!("cannot start {}: {error}", program.display()))?;
        let identity = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        match output.status.success() && !identity.is_empty() {
            true => Ok(Python { program, identity }),
            false => Err(format!("{} does not say which Python it is", program.display())),
        }
    }

    /// Its version, as in `3.11`.
    #[must_use]
    pub fn minor_version(&self) -> String {
        let version = self.identity.split(' ').nth(1).unwrap_or_default();
        version.split('.').take(2).collect::<Vec<_>>().join(".")
    }
}
