//! Runs a shell command that prepares an application or a service, such as migrations, to its end.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::guarded::{Guarded, Output, Program};
use super::{EXCERPT_LINES, StartError, io_error, ready};

/// How long it may take.
const DEADLINE: Duration = Duration::from_secs(300);
/// Time between two looks whether it has ended.
const INTERVAL: Duration = Duration::from_millis(10);
/// How long it may take to stop after the deadline.
const GRACE: Duration = Duration::from_secs(3);

/// A shell command with its surroundings.
#[derive(Debug, Clone)]
pub(super) struct ShellCommand {
    /// What it is, in messages: `the setup command`.
    pub(super) title: String,
    /// The file of its output.
    pub(super) log: PathBuf,
    /// As written, for messages.
    pub(super) command: String,
    /// The command line that runs it.
    pub(super) program: Vec<String>,
    pub(super) environment: Vec<(String, String)>,
    /// The working folder; `None` is that of the log.
    pub(super) folder: Option<PathBuf>,
}

/// Runs the command to its end.
///
/// # Errors
/// It cannot be started, fails, or does not end in time.
pub(super) async fn run(lab: &Path, shell: &ShellCommand, cores: &[u16]) -> Result<(), StartError> {
    let ShellCommand { title, log, .. } = shell;
    let program = Program {
        command: shell.program.clone(),
        environment: shell.environment.clone(),
        folder: shell.folder.clone(),
        cores: cores.to_vec(),
        grace: GRACE,
        sockets: Vec::new(),
        input: None,
        output: Output::File(log.clone()),
    };
    let mut process = Guarded::start(lab, program).map_err(io_error(format!("start {title}")))?;
    let ended = async {
        loop {
            if let Some(status) = process.try_wait().map_err(io_error(format!("wait for {title}")))? {
                return Ok(status);
            }
            tokio::time::sleep(INTERVAL).await;
        }
    };
    let outcome = match tokio::time::timeout(DEADLINE, ended).await {
        Ok(Ok(status)) if status.success() => return Ok(()),
        Ok(Ok(status)) => format!("ended with {status}"),
        Ok(Err(error)) => return Err(error),
        Err(_) => {
            // That it did not end matters more than how it stopped.
            let _ = process.stop().await;
            format!("did not end within {} s", DEADLINE.as_secs())
        }
    };
    Err(StartError::ShellCommand {
        title: title.clone(),
        outcome,
        command: shell.command.clone(),
        last_lines: ready::last_lines(log, EXCERPT_LINES),
        log: log.clone(),
    })
}
