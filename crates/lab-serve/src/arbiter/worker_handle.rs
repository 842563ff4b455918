//! One worker process, as its arbiter sees it: starting it, signalling it, and noticing its end.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{Child, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::time::Instant;

use super::handover::{self, HandoverError};
use super::heartbeat::{HeartbeatMonitor, WorkerHealth};
use super::worker_spec::WorkerSpec;
use crate::listen::Listener;
use crate::logging::log_sinks::LogSinks;

/// A worker that fails sooner than this after its start is replaced with a delay.
pub(super) const SHORT_LIFE: Duration = Duration::from_secs(1);
/// The delay after one short life. It doubles with each further one.
const FIRST_DELAY: Duration = Duration::from_millis(100);
const LONGEST_DELAY: Duration = Duration::from_secs(5);

/// What distinguishes one worker from the others.
#[derive(Debug, Clone, Copy)]
pub(super) struct WorkerIds {
    /// Workers started up to this one (gunicorn's `worker.age`).
    pub(super) age: u64,
    /// The reload the worker belongs to.
    pub(super) generation: u64,
    /// Its place among the workers, which decides its listeners with `reuse_port`.
    pub(super) slot: usize,
}

#[derive(Debug)]
pub(super) struct WorkerHandle {
    process: Child,
    heartbeat: HeartbeatMonitor,
    pub(super) generation: u64,
    pub(super) slot: usize,
    pub(super) started: Instant,
    /// When the worker was asked to end.
    pub(super) stopping_since: Option<Instant>,
    /// When the worker was aborted after being silent for too long.
    pub(super) aborted_at: Option<Instant>,
    /// Whether the worker has begun to serve.
    pub(super) is_ready: bool,
}

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

impl WorkerHandle {
    /// Starts a worker that inherits `sockets`. Call it on the main thread: the kernel kills the worker when the thread
    /// that started it ends.
    pub(super) fn start(
        spec: &WorkerSpec,
        sockets: &[Listener],
        ids: WorkerIds,
        sinks: &mut LogSinks,
    ) -> Result<WorkerHandle, SpawnError> {
        let config = &spec.config;
        let now = Instant::now();
        let folder = config.process.worker_tmp_dir.as_deref();
        let heartbeat = HeartbeatMonitor::new(folder, now).map_err(|error| match folder {
            Some(folder) => SpawnError::Scoreboard { folder: folder.to_owned(), error },
            None => error.into(),
        })?;
        let bootstrap = spec.bootstrap(sockets, ids.age, sinks.access_log_settings());
        let records = bootstrap.settings.access_log.is_some().then(pipe).transpose()?;
        let fds: Vec<BorrowedFd<'_>> = sockets.iter().map(AsFd::as_fd).collect();
        let access = records.as_ref().map(|(_, writer)| writer.as_fd());
        let mut command = spec.command(&bootstrap.name);
        command.stdin(handover::send(&bootstrap, &fds, heartbeat.file().as_fd(), access)?);
        let output = if config.logs.errorlog == "-" { None } else { Some(pipe()?) };
        if let Some((_, writer)) = &output {
            command.stderr(Stdio::from(writer.try_clone()?));
            if config.logs.capture_output {
                command.stdout(Stdio::from(writer.try_clone()?));
            }
        }
        let process = command.spawn()?;
        // The command still holds write ends of the pipes. While one is open, the readers never see the worker's end.
        drop(command);
        let pid = process.id();
        if let Some((reader, _)) = records {
            sinks.read_access_records(reader, pid)?;
        }
        if let Some((reader, _)) = output {
            sinks.read_output(reader)?;
        }
        tracing::info!("started worker {pid}");
        Ok(WorkerHandle {
            process,
            heartbeat,
            generation: ids.generation,
            slot: ids.slot,
            started: now,
            stopping_since: None,
            aborted_at: None,
            is_ready: false,
        })
    }

    pub(super) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Sends a signal. The process id cannot have been reused, because the worker has not been waited for.
    pub(super) fn signal(&self, signal: Signal) {
        // Fails only for a process that has just ended.
        let _ = kill_process(Pid::from_child(&self.process), signal);
    }

    /// Asks the worker to complete its requests and end.
    pub(super) fn stop(&mut self, now: Instant) {
        if self.stopping_since.is_none() {
            self.stopping_since = Some(now);
            self.signal(Signal::TERM);
        }
    }

    pub(super) fn check(&mut self, now: Instant, timeout: Duration) -> WorkerHealth {
        let health = self.heartbeat.check(now, timeout);
        self.is_ready |= health == WorkerHealth::Alive;
        health
    }

    /// Kills the worker and waits for its end.
    pub(super) fn kill(&mut self) {
        // Both fail only for a process that has just ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Removes the workers that have ended, and returns them with their exit status.
pub(super) fn take_exited(workers: &mut Vec<WorkerHandle>) -> Vec<(WorkerHandle, ExitStatus)> {
    let (mut exited, mut running) = (Vec::new(), Vec::new());
    for mut worker in workers.drain(..) {
        match worker.process.try_wait() {
            Ok(Some(status)) => exited.push((worker, status)),
            _ => running.push(worker),
        }
    }
    *workers = running;
    exited
}

/// How long to wait before the next worker starts, after a number of short lives in a row. This keeps a worker that fails
/// at once from using all the CPU.
pub(super) fn restart_delay(short_lives: u32) -> Duration {
    match short_lives {
        0 => Duration::ZERO,
        lives => FIRST_DELAY.saturating_mul(1 << (lives - 1).min(10)).min(LONGEST_DELAY),
    }
}

pub(super) fn describe_exit(status: ExitStatus) -> String {
    match (status.signal(), status.code()) {
        (Some(signal), _) => format!("was ended by signal {signal}"),
        (None, code) => format!("exited with code {}", code.unwrap_or_default()),
    }
}

fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_lives_slow_restarts_down() {
        let millis: Vec<_> = (0..9).map(|lives| restart_delay(lives).as_millis()).collect();
        assert_eq!(millis, [0, 100, 200, 400, 800, 1600, 3200, 5000, 5000]);
        assert_eq!(restart_delay(u32::MAX), LONGEST_DELAY);
    }
}
