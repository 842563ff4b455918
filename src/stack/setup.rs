//! Runs an application's setup command, such as migrations, before its server starts.

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
/// Its output, in the folder of the visit.
const LOG: &str = "setup.log";

/// A setup command with its surroundings.
#[derive(Debug, Clone)]
pub(super) struct Setup {
    /// For the shell.
    pub(super) command: String,
    pub(super) environment: Vec<(String, String)>,
    /// The working folder; `None` is the folder of the visit.
    pub(super) folder: Option<PathBuf>,
}

/// Runs the command to its end, with its output in `visit`.
///
/// # Errors
/// It cannot be started, fails, or does not end in time.
pub(super) async fn run(lab: &Path, setup: &Setup, cores: &[u16], visit: &Path) -> Result<(), StartError> {
    let log = visit.join(LOG);
    let program = Program {
        command: ["sh", "-c", &setup.command].map(str::to_owned).to_vec(),
        environment: setup.environment.clone(),
        folder: setup.folder.clone(),
        cores: cores.to_vec(),
        grace: GRACE,
        sockets: Vec::new(),
        input: None,
        output: Output::File(log.clone()),
    };
    let mut process = Guarded::start(lab, program).map_err(io_error("start the setup command"))?;
    let ended = async {
        loop {
            if let Some(status) = process.try_wait().map_err(io_error("wait for the setup command"))? {
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
    Err(StartError::Setup {
        outcome,
        command: setup.command.clone(),
        last_lines: ready::last_lines(&log, EXCERPT_LINES),
        log,
    })
}
