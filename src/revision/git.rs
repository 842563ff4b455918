//! git, as far as an earlier version needs it.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// Variables that git sets for its hooks, and that would lead to another repository or index.
const OF_HOOKS: [&str; 6] =
    ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_COMMON_DIR", "GIT_OBJECT_DIRECTORY"];

/// git could not do something.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    #[error("git is not installed; `lab compare` can do without for a folder with the earlier version")]
    Missing,
    #[error("start git")]
    Start(#[source] io::Error),
    #[error("git {command}: {message}")]
    Failed {
        /// The subcommand.
        command: String,
        /// What git said.
        message: String,
    },
}

/// The repository of a project.
#[derive(Debug, Clone)]
pub struct Repository {
    /// The top of its working tree, absolute.
    pub top: PathBuf,
}

impl Repository {
    /// The repository whose working tree contains `folder`; `None` if there is none.
    ///
    /// # Errors
    /// There is no git, or it refuses the repository, such as one of another user.
    pub fn containing(folder: &Path) -> Result<Option<Repository>, GitError> {
        let output = run(folder, ["rev-parse", "--show-toplevel"].map(OsStr::new))?;
        if output.status.success() {
            let top = output.stdout.strip_suffix(b"\n").unwrap_or(&output.stdout);
            return Ok(Some(Repository { top: PathBuf::from(OsStr::from_bytes(top)) }));
        }
        match message(&output) {
            text if text.contains("not a git repository") => Ok(None),
            message => Err(GitError::Failed { command: "rev-parse".to_owned(), message }),
        }
    }

    /// The full hash of the commit that `revision` names; `None` if it names none.
    ///
    /// # Errors
    /// git cannot be started.
    pub fn commit(&self, revision: &str) -> Result<Option<String>, GitError> {
        // Not an option of git's.
        if revision.is_empty() || revision.starts_with('-') {
            return Ok(None);
        }
        let commit = format!("{revision}^{{commit}}");
        self.line(&["rev-parse", "--verify", "--quiet", &commit])
    }

    /// The best common ancestor of `commit` and HEAD; `None` if there is none.
    ///
    /// # Errors
    /// git cannot be started.
    pub fn merge_base(&self, commit: &str) -> Result<Option<String>, GitError> {
        self.line(&["merge-base", "HEAD", commit])
    }

    /// Whether tracked files of the working tree differ from HEAD, or untracked ones lie in it. Ignored files do not count,
    /// and neither do those below `reports`, a folder.
    ///
    /// # Errors
    /// git cannot be started.
    pub fn is_modified(&self, reports: &Path) -> Result<bool, GitError> {
        let mut without_reports = std::ffi::OsString::from(":(exclude,top)");
        without_reports.push(reports.strip_prefix(&self.top).unwrap_or(reports));
        let arguments = [OsStr::new("status"), OsStr::new("--porcelain"), OsStr::new("--"), OsStr::new(":/")];
        Ok(!output_of(&self.top, arguments.into_iter().chain([without_reports.as_os_str()]))?.is_empty())
    }

    /// The submodules of a commit, by path; empty if it has none.
    ///
    /// # Errors
    /// git cannot be started.
    pub fn submodules(&self, commit: &str) -> Result<Vec<String>, GitError> {
        let blob = format!("--blob={commit}:.gitmodules");
        let output = run(&self.top, ["config", &blob, "--get-regexp", r"\.path$"].map(OsStr::new))?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        Ok(text.lines().filter_map(|line| Some(line.split_once(' ')?.1.to_owned())).collect())
    }

    /// The tracked files of `tree`, a working tree of this repository, whose content the project's own has as well.
    ///
    /// # Errors
    /// git fails.
    pub fn unchanged_files(&self, tree: &Path, commit: &str) -> Result<Vec<PathBuf>, GitError> {
        let list = |folder: &Path, arguments: &[&str]| -> Result<Vec<PathBuf>, GitError> {
            let names = output_of(folder, arguments.iter().map(OsStr::new))?;
            let names = names.split(|byte| *byte == 0).filter(|name| !name.is_empty());
            Ok(names.map(|name| PathBuf::from(OsStr::from_bytes(name))).collect())
        };
        let changed = list(&self.top, &["diff", "--name-only", "--no-renames", "-z", commit])?;
        let changed: std::collections::BTreeSet<PathBuf> = changed.into_iter().collect();
        let tracked = list(tree, &["ls-files", "-z"])?;
        Ok(tracked.into_iter().filter(|file| !changed.contains(file)).collect())
    }

    /// Runs git for its effect.
    ///
    /// # Errors
    /// It fails.
    pub(super) fn execute<'a>(&self, arguments: impl IntoIterator<Item = &'a OsStr>) -> Result<(), GitError> {
        output_of(&self.top, arguments).map(drop)
    }

    /// The output of git without its line end; `None` if it fails.
    fn line(&self, arguments: &[&str]) -> Result<Option<String>, GitError> {
        let output = run(&self.top, arguments.iter().map(OsStr::new))?;
        let line = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        Ok(Some(line).filter(|line| output.status.success() && !line.is_empty()))
    }
}

fn run<'a>(folder: &Path, arguments: impl IntoIterator<Item = &'a OsStr>) -> Result<Output, GitError> {
    let mut command = Command::new("git");
    for variable in OF_HOOKS {
        command.env_remove(variable);
    }
    // Messages are recognised by their text, and nobody answers a question.
    command.env("LC_ALL", "C").env("GIT_TERMINAL_PROMPT", "0").env("GIT_OPTIONAL_LOCKS", "0");
    command.arg("-C").arg(folder).args(["-c", "core.hooksPath=/dev/null"]).args(arguments);
    command.stdin(Stdio::null()).output().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => GitError::Missing,
        _ => GitError::Start(error),
    })
}

/// The output of git, which must succeed.
fn output_of<'a>(folder: &Path, arguments: impl IntoIterator<Item = &'a OsStr>) -> Result<Vec<u8>, GitError> {
    let arguments: Vec<&OsStr> = arguments.into_iter().collect();
    let output = run(folder, arguments.iter().copied())?;
    match output.status.success() {
        true => Ok(output.stdout),
        false => {
            let command = arguments.first().map(|name| name.display().to_string()).unwrap_or_default();
            Err(GitError::Failed { command, message: message(&output) })
        }
    }
}

fn message(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).trim().to_owned()
}
