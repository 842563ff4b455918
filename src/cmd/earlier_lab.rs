//! The lab binary of an earlier version, which plays lab's own proxy and server.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::catalog::kind::Interface;
use crate::scenario::model::{Backend, Scenario};

/// Another lab than the running one.
pub(super) struct EarlierLab {
    pub(super) file: PathBuf,
    /// What the reader of the comparison has to know.
    pub(super) note: String,
}

/// The binary `file`, which prints its version. The error says why it cannot be used for `head`.
pub(super) fn find(file: &Path, head: &Scenario) -> Result<EarlierLab, String> {
    let name = file.display();
    let runs_lab: Vec<_> = head.stacks.iter().filter(|stack| stack.runs_lab()).collect();
    if runs_lab.is_empty() {
        return Err(format!("`--base-lab {name}` changes nothing: no stack has lab as its proxy or server"));
    }
    if let Some(contained) = runs_lab.iter().find(|stack| stack.backend != Backend::Process) {
        return Err(format!(
            "`--base-lab {name}` needs processes, and {} runs in containers, where lab is the running one\n\
             hint: `--backend process`",
            contained.name
        ));
    }
    let file = std::fs::canonicalize(file).map_err(|error| format!("--base-lab {name}: {error}"))?;
    let output = Command::new(&file).arg("--version").output();
    let output = output.map_err(|error| format!("--base-lab {name} cannot be run: {error}"))?;
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    match printed.trim().strip_prefix("lab ") {
        Some(version) if output.status.success() => {
            let has_python = runs_lab.iter().any(|stack| stack.app != Interface::Native);
            let python = if has_python { "; the Python side of its server is today's" } else { "" };
            Ok(EarlierLab { note: format!("lab in the earlier version is {name}, version {version}{python}"), file })
        }
        _ => Err(format!("--base-lab {name} is no lab: `--version` prints {:?}", printed.trim())),
    }
}
