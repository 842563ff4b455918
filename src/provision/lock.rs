//! Lock files: every package that is installed for a kind, with the hashes of all its files on the index.

use std::fs;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::{ToolPaths, program_on_path};
use crate::catalog::kind::{Install, Kind};

/// Why a lock file cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Only uv lists the hashes of all files.
    #[error("a lock file is made with uv, which is not on the path: pip install uv")]
    NoUv,
    #[error("{0}")]
    NoPython(String),
    #[error("cannot {operation}")]
    Io {
        /// In the imperative, as in "start uv".
        operation: &'static str,
        source: io::Error,
    },
    #[error("uv cannot resolve the requirements:\n{0}")]
    Unresolved(String),
}

/// Writes a kind's lock file from its requirements. Returns its path; `None` if the kind has no requirements.
///
/// # Errors
/// uv is missing, or the requirements cannot be resolved.
pub fn relock(kind: &Kind, paths: &ToolPaths) -> Result<Option<PathBuf>, LockError> {
    let Install::Environment { pip, lock_file, .. } = &kind.install else { return Ok(None) };
    if pip.is_empty() {
        return Ok(None);
    }
    let uv = program_on_path("uv").ok_or(LockError::NoUv)?;
    let python = paths.python.as_ref().map_err(|reason| LockError::NoPython(reason.clone()))?;
    let io = |operation: &'static str| move |source| LockError::Io { operation, source };
    let mut command = Command::new(uv);
    command.args(["pip", "compile", "--universal", "--generate-hashes", "--no-annotate", "--no-header", "--quiet"]);
    command.args(["--python-version", &python.minor_version(), "--python"]).arg(&python.program).arg("-");
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().map_err(io("start uv"))?;
    if let Some(mut input) = child.stdin.take() {
        input.write_all((pip.join("\n") + "\n").as_bytes()).map_err(io("write to uv"))?;
    }
    let output = child.wait_with_output().map_err(io("read from uv"))?;
    if !output.status.success() {
        return Err(LockError::Unresolved(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
    }
    let text = format!(
        "# Everything `lab provision {}` installs. Made by `lab provision --relock`.\n{}",
        kind.name,
        String::from_utf8_lossy(&output.stdout)
    );
    if let Some(folder) = lock_file.parent() {
        fs::create_dir_all(folder).map_err(io("create the folder of lock files"))?;
    }
    fs::write(lock_file, text).map_err(io("write the lock file"))?;
    Ok(Some(lock_file.clone()))
}
