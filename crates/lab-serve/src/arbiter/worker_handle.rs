//! One worker process, as its arbiter sees it: starting it, signalling it, and noticing its end.

use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use tokio::time::Instant;

use super::child::{SpawnError, exit_status, pipe, spawn};
use super::fork_server::{ForkServer, ForkServerError, ServerState};
use super::handover;
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
    /// The worker's index among the workers, which selects its listeners with `reuse_port`.
    pub(super) slot: usize,
}

#[derive(Debug)]
pub(super) struct WorkerHandle {
    /// The worker is a child of this process that has not been waited for, so nothing else has its id.
    pid: Pid,
    heartbeat: HeartbeatMonitor,
    pub(super) generation: u64,
    pub(super) slot: usize,
    pub(super) started: Instant,
    /// When the worker was asked to end, or retired by itself.
    pub(super) stopping_since: Option<Instant>,
    /// When the worker was aborted after being silent for too long.
    pub(super) aborted_at: Option<Instant>,
    /// Whether the worker has begun to serve.
    pub(super) is_ready: bool,
    own_logs: OwnLogs,
}

/// The log files that a worker writes itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OwnLogs {
    None,
    Open,
    /// To be reopened when the worker is ready: until then, the signal would end it.
    Moved,
}

/// What a worker is started from.
pub(super) struct WorkerStart<'a> {
    pub(super) spec: &'a WorkerSpec,
    pub(super) sockets: &'a [Listener],
    pub(super) ids: WorkerIds,
    pub(super) fork_server: Option<(&'a ForkServer, ServerState)>,
}

impl WorkerHandle {
    /// Starts a worker that inherits the sockets. Call it on the main thread: the kernel kills the worker when the thread
    /// that started it ends.
    pub(super) async fn start(start: WorkerStart<'_>, sinks: &mut LogSinks) -> Result<WorkerHandle, ForkServerError> {
        let WorkerStart { spec, sockets, ids, fork_server } = start;
        let config = &spec.config;
        let now = Instant::now();
        let folder = config.process.worker_tmp_dir.as_deref();
        let heartbeat = HeartbeatMonitor::new(folder, now).map_err(|error| match folder {
            Some(folder) => SpawnError::Scoreboard { folder: folder.to_owned(), error },
            None => SpawnError::Io(error),
        })?;
        let bootstrap = spec.bootstrap(sockets, ids.age, sinks.access_log_settings());
        let records = bootstrap.settings.access_log.is_some().then(pipe).transpose().map_err(SpawnError::Io)?;
        let access = records.as_ref().map(|(_, writer)| writer.as_fd());
        let fds: Vec<BorrowedFd<'_>> =
            sockets.iter().map(AsFd::as_fd).chain([heartbeat.file().as_fd()]).chain(access).collect();
        let pid = match fork_server {
            Some((fork_server, state)) => fork_server.fork(state, &bootstrap, &fds).await?,
            None => {
                let mut command = spec.command(&bootstrap.name);
                command.stdin(handover::send(&bootstrap, &fds).map_err(SpawnError::Handover)?);
                spawn(command, spec, sinks).map_err(SpawnError::Io)?
            }
        };
        let number = pid.as_raw_pid().unsigned_abs();
        if let Some((reader, _)) = records {
            sinks.read_access_records(reader, number).map_err(SpawnError::Io)?;
        }
        tracing::info!("started worker {number}");
        Ok(WorkerHandle {
            pid,
            heartbeat,
            generation: ids.generation,
            slot: ids.slot,
            started: now,
            stopping_since: None,
            aborted_at: None,
            is_ready: false,
            own_logs: if spec.logging.is_some() { OwnLogs::Open } else { OwnLogs::None },
        })
    }

    pub(super) fn pid(&self) -> u32 {
        self.pid.as_raw_pid().unsigned_abs()
    }

    /// Sends a signal.
    pub(super) fn signal(&self, signal: Signal) {
        // Fails only for a process that has just ended.
        let _ = kill_process(self.pid, signal);
    }

    /// Asks the worker to complete its requests and end.
    pub(super) fn stop(&mut self, now: Instant) {
        if self.stopping_since.is_none() {
            self.stopping_since = Some(now);
            self.signal(Signal::TERM);
        }
    }

    /// Interrupts a worker that hangs, and asks it to end.
    pub(super) fn abort(&mut self, now: Instant) {
        self.aborted_at = Some(now);
        self.stopping_since.get_or_insert(now);
        self.signal(Signal::ABORT);
    }

    pub(super) fn check(&mut self, now: Instant, timeout: Duration) -> WorkerHealth {
        let health = self.heartbeat.check(now, timeout);
        self.is_ready |= health == WorkerHealth::Alive;
        if self.is_ready && self.own_logs == OwnLogs::Moved {
            self.reopen_logs();
        }
        if self.stopping_since.is_none() && self.heartbeat.is_retiring() {
            self.stopping_since = Some(now);
        }
        health
    }

    /// Reopens the log files that the worker writes itself.
    pub(super) fn reopen_logs(&mut self) {
        match (self.own_logs, self.is_ready) {
            (OwnLogs::None, _) => {}
            (_, true) => {
                self.own_logs = OwnLogs::Open;
                self.signal(Signal::USR1);
            }
            (_, false) => self.own_logs = OwnLogs::Moved,
        }
    }

    /// Kills the worker and waits for its end.
    pub(super) fn kill(&mut self) {
        self.signal(Signal::KILL);
        // Fails only for a process that has been waited for.
        let _ = waitpid(Some(self.pid), WaitOptions::empty());
    }
}

/// Removes the workers that have ended, and returns them with their exit status.
pub(super) fn take_exited(workers: &mut Vec<WorkerHandle>) -> Vec<(WorkerHandle, ExitStatus)> {
    let (mut exited, mut running) = (Vec::new(), Vec::new());
    for worker in workers.drain(..) {
        match exit_status(worker.pid) {
            Some(status) => exited.push((worker, status)),
            None => running.push(worker),
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
