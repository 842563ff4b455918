//! Server hooks (gunicorn: "Server Hooks") that gunicorn calls in its arbiter: when they are called, and what follows from
//! their exceptions.

use lab_worker::bootstrap::BOOT_ERROR;
use tokio::time::Instant;

use super::fork_server::{ForkServer, ForkServerError, ServerState};
use super::worker_handle::{SHORT_LIFE, restart_delay};
use super::{Arbiter, ArbiterError};

/// When a hook is called, which decides the exit code of a server that its exception ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Before the first worker starts, or after the last one has been asked to end.
    OutsideLoop,
    /// While workers serve.
    InLoop,
}

impl Phase {
    /// gunicorn's exit code: Python's for an uncaught exception, or that of its main loop (-1).
    fn exit_code(self) -> u8 {
        match self {
            Phase::OutsideLoop => 1,
            Phase::InLoop => 255,
        }
    }
}

impl Arbiter {
    /// Starts the fork server of a Python application.
    pub(super) async fn start_fork_server(&mut self) -> Result<(), ArbiterError> {
        let state = self.server_state();
        match ForkServer::start(&self.worker_spec, state, &mut self.sinks).await {
            Ok(fork_server) => self.fork_server = fork_server,
            Err(error) => return Err(failure(error, Phase::OutsideLoop)),
        }
        self.report_resize(None, Phase::OutsideLoop).await?;
        let Some(fork_server) = &self.fork_server else { return Ok(()) };
        let loaded = fork_server.preload(self.server_state(), &self.worker_spec).await;
        loaded.map_err(|error| failure(error, Phase::OutsideLoop))
    }

    /// Starts another fork server if one is needed and there is none. Returns false, and sets when to try again, if that
    /// fails: the workers that are there go on meanwhile.
    pub(super) async fn has_needed_fork_server(&mut self) -> bool {
        if self.fork_server.is_some() || self.worker_spec.python.is_none() {
            return true;
        }
        let state = self.server_state();
        let started = match ForkServer::start(&self.worker_spec, state, &mut self.sinks).await {
            Ok(Some(fork_server)) => {
                fork_server.preload(self.server_state(), &self.worker_spec).await.map(|()| Some(fork_server))
            }
            started => started,
        };
        match started {
            Ok(fork_server) => self.fork_server = fork_server,
            Err(error) => {
                self.short_lives += 1;
                let delay = restart_delay(self.short_lives);
                self.not_before = Instant::now() + delay;
                tracing::error!("{error}; the next attempt follows in {delay:?}");
            }
        }
        self.fork_server.is_some()
    }

    /// Reopens the log files that the fork server has open.
    pub(super) async fn reopen_fork_server_logs(&mut self) {
        let Some(fork_server) = &self.fork_server else { return };
        if let Err(error) = fork_server.reopen_logs(self.server_state()).await {
            tracing::error!("cannot reopen a log: {error}");
        }
    }

    /// Calls a hook whose only argument is the server.
    pub(super) async fn call_hook(&mut self, hook: &'static str, phase: Phase) -> Result<(), ArbiterError> {
        let Some(fork_server) = &self.fork_server else { return Ok(()) };
        let called = fork_server.call_hook(self.server_state(), hook).await;
        called.or_else(|error| self.judge_failure(error, phase))
    }

    /// Calls `nworkers_changed`.
    pub(super) async fn report_resize(&mut self, before: Option<usize>, phase: Phase) -> Result<(), ArbiterError> {
        let Some(fork_server) = &self.fork_server else { return Ok(()) };
        let called = fork_server.change_worker_count(self.server_state(), before).await;
        called.or_else(|error| self.judge_failure(error, phase))
    }

    /// Calls `child_exit` for a worker that has ended.
    pub(super) async fn report_exit(&mut self, worker: u32, phase: Phase) -> Result<(), ArbiterError> {
        let Some(fork_server) = &self.fork_server else { return Ok(()) };
        let called = fork_server.report_exit(self.server_state(), worker).await;
        called.or_else(|error| self.judge_failure(error, phase))
    }

    /// Decides what a failure of the fork server means. If it has ended, another one takes its place when the next worker
    /// starts; an exception of a hook ends the server.
    pub(super) fn judge_failure(&mut self, error: ForkServerError, phase: Phase) -> Result<(), ArbiterError> {
        if let ForkServerError::Gone(_) = error {
            tracing::error!("{error}");
            self.lose_fork_server();
            return Ok(());
        }
        Err(failure(error, phase))
    }

    pub(super) fn lose_fork_server(&mut self) {
        tracing::error!("the fork server has ended; another one starts with the next worker");
        self.fork_server = None;
        // One that always ends must not use all the CPU.
        self.not_before = Instant::now() + SHORT_LIFE;
    }

    /// The state of this arbiter that hooks see.
    pub(super) fn server_state(&self) -> ServerState {
        let is_tls = self.worker_spec.config.tls.is_some();
        let number = |pid: Option<rustix::process::Pid>| pid.map_or(0, |pid| pid.as_raw_pid().unsigned_abs());
        ServerState {
            num_workers: self.target,
            listeners: self.listeners.iter().map(|listener| listener.url(is_tls)).collect(),
            master_pid: number(self.old_arbiter),
            reexec_pid: number(self.new_arbiter),
        }
    }
}

fn failure(error: ForkServerError, phase: Phase) -> ArbiterError {
    match error {
        ForkServerError::Spawn(error) => ArbiterError::Spawn(error),
        ForkServerError::Gone(_) => ArbiterError::ServerHook { error, code: BOOT_ERROR },
        ForkServerError::Exited { code, .. } | ForkServerError::NotLoaded(code) => {
            ArbiterError::ServerHook { error, code }
        }
        error => ArbiterError::ServerHook { error, code: phase.exit_code() },
    }
}
