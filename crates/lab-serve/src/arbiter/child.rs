//! A child process of the arbiter: how it is started, and how its end is noticed.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};

use rustix::process::{Pid, WaitOptions, waitpid};

use super::handover::HandoverError;
use super::worker_spec::WorkerSpec;
use crate::logging::log_sinks::LogSinks;

/// Why a worker could not be started.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    #[error(transparent)]
    Handover(#[from] HandoverError),
    /// The scoreboard cannot be created in `worker_tmp_dir`.
    #[error(
        "cannot keep the scoreboard of a worker in worker_tmp_dir {folder:?}, which must be a writable folder: {error}"
    )]
    Scoreboard { folder: PathBuf, error: io::Error },
    #[error("cannot start a worker: {0}")]
    Io(#[from] io::Error),
}

/// Starts a process whose output goes where that of workers goes.
pub(super) fn spawn(mut command: Command, spec: &WorkerSpec, sinks: &mut LogSinks) -> io::Result<Pid> {
    let logs = &spec.config.logs;
    let output = if logs.errorlog == "-" { None } else { Some(pipe()?) };
    if let Some((_, writer)) = &output {
        command.stderr(Stdio::from(writer.try_clone()?));
        if logs.capture_output {
            command.stdout(Stdio::from(writer.try_clone()?));
        }
    }
    let process = command.spawn()?;
    // The command still holds write ends of the pipe. While one is open, the reader never sees the end of the process.
    drop(command);
    if let Some((reader, _)) = output {
        sinks.read_output(reader)?;
    }
    Ok(Pid::from_child(&process))
}

/// The status of a child that has ended, which is then gone; None while it runs.
pub(super) fn exit_status(pid: Pid) -> Option<ExitStatus> {
    let (_, status) = waitpid(Some(pid), WaitOptions::NOHANG).ok()??;
    Some(ExitStatus::from_raw(status.as_raw()))
}

pub(super) fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?)
}
