//! A driver's process on the agent's node.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{CWD, Mode, mkfifoat};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::unix::pipe;
use tokio::process::ChildStdout;
use tokio::sync::mpsc::UnboundedSender;

use super::super::protocol::AgentReport;
use crate::stack::guarded::{Guarded, Output, Program};
use crate::stack::ready::last_lines;
use lab_load::monotonic;
use lab_load::wire::{DrivePlan, DriverEvent, EventDecoder, Start};

/// How long a driver may take to stop: it has nothing to clean up.
const GRACE: Duration = Duration::from_millis(200);
/// How much of a driver's log a message shows.
const EXCERPT_LINES: usize = 5;

/// A driver's process.
#[derive(Debug)]
pub(super) struct DriverProcess {
    guarded: Guarded,
    /// Its standard input, until its start is written.
    input: Option<pipe::Sender>,
}

impl DriverProcess {
    /// Starts a driver with its files in `folder`, which is made. Its events go to `reports`.
    ///
    /// # Errors
    /// A file cannot be made, or the process cannot be started.
    pub(super) async fn start(
        lab: &Path,
        folder: &Path,
        (driver, cores): (u32, Vec<u16>),
        plan: &DrivePlan,
        reports: UnboundedSender<AgentReport>,
    ) -> io::Result<DriverProcess> {
        std::fs::create_dir_all(folder)?;
        let document = plan.to_json().map_err(io::Error::other)?;
        let path = folder.join("driver.plan.json");
        // What an earlier driver has read.
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut input = None;
        match plan.awaits_start {
            // A pipe, because the start follows later. Opened for both, it exists for as long as this process holds it.
            true => {
                mkfifoat(CWD, &path, Mode::RUSR | Mode::WUSR)?;
                input = Some(pipe::OpenOptions::new().read_write(true).open_sender(&path)?);
            }
            false => std::fs::write(&path, &document)?,
        }
        let log = folder.join("driver.log");
        let program = Program {
            command: vec![lab.display().to_string(), "drive".to_owned()],
            environment: Vec::new(),
            folder: None,
            cores,
            grace: GRACE,
            sockets: Vec::new(),
            input: Some(path),
            output: Output::Piped(log.clone()),
        };
        let mut guarded = Guarded::start(lab, program)?;
        let stdout = guarded.take_stdout().ok_or_else(|| io::Error::other("the driver has no output"))?;
        tokio::spawn(follow(stdout, driver, EventDecoder::new(plan), log, reports));
        let mut process = DriverProcess { guarded, input };
        process.write(&document).await?;
        Ok(process)
    }

    /// Writes the start of a driver that awaits it.
    ///
    /// # Errors
    /// It awaits none, or has ended.
    pub(super) async fn send_start(&mut self, start: Start) -> io::Result<()> {
        if self.input.is_none() {
            return Err(io::Error::other("the driver awaits no start"));
        }
        self.write(&start.to_json().map_err(io::Error::other)?).await?;
        self.input = None;
        Ok(())
    }

    async fn write(&mut self, document: &str) -> io::Result<()> {
        if let Some(input) = &mut self.input {
            input.write_all(document.as_bytes()).await?;
            input.write_all(b"\n").await?;
        }
        Ok(())
    }

    /// Stops the driver and waits until it is gone.
    ///
    /// # Errors
    /// The guard hangs.
    pub(super) async fn stop(self) -> io::Result<()> {
        self.guarded.stop().await.map(drop)
    }
}

/// Reports a driver's events, and its end if it has no outcome.
async fn follow(
    stdout: ChildStdout,
    driver: u32,
    mut decoder: EventDecoder,
    log: PathBuf,
    reports: UnboundedSender<AgentReport>,
) {
    let mut lines = BufReader::new(stdout).lines();
    let message = loop {
        let line = match lines.next_line().await {
            Ok(Some(line)) => line,
            Ok(None) => break decoder.finish().err().map(|error| error.to_string()),
            Err(error) => break Some(error.to_string()),
        };
        let read_ns = u64::try_from(monotonic::now().as_nanos()).unwrap_or(u64::MAX);
        match decoder.line(&line) {
            Ok(event) => {
                let is_last = matches!(event, DriverEvent::Outcome(_));
                // Nobody listens any more once the connection has ended.
                let _ = reports.send(AgentReport::Driver { driver, read_ns, event });
                if is_last {
                    return;
                }
            }
            Err(error) => break Some(error.to_string()),
        }
    };
    let Some(message) = message else { return };
    let excerpt: String = last_lines(&log, EXCERPT_LINES).lines().map(|line| format!("\n  | {line}")).collect();
    let _ = reports.send(AgentReport::DriverFailed { driver, message: message + &excerpt });
}
