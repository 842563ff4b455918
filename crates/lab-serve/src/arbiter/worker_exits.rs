//! Workers that have ended, and what follows from how they ended.

use std::process::ExitStatus;
use std::time::Duration;

use lab_worker::bootstrap::{APP_LOAD_ERROR, BOOT_ERROR};
use tokio::time::Instant;

use super::child::exit_status;
use super::server_hooks::Phase;
use super::worker_handle::{SHORT_LIFE, WorkerHandle, describe_exit, restart_delay, take_exited};
use super::{Arbiter, ArbiterError, orphans};

impl Arbiter {
    /// Removes the workers that have ended, and decides how their replacements start.
    pub(super) async fn reap(&mut self) -> Result<(), ArbiterError> {
        for (worker, status) in take_exited(&mut self.workers) {
            let pid = worker.pid();
            self.judge_exit(worker, status).await?;
            self.report_exit(pid, Phase::InLoop).await?;
        }
        if self.fork_server.as_ref().is_some_and(|fork_server| exit_status(fork_server.pid).is_some()) {
            self.lose_fork_server();
        }
        self.reap_new_arbiter();
        let others = [self.new_arbiter, self.fork_server.as_ref().map(|fork_server| fork_server.pid)];
        let others = others.map(|pid| pid.map(|pid| pid.as_raw_pid().unsigned_abs()));
        orphans::reap(|pid| others.contains(&Some(pid)) || self.workers.iter().any(|worker| worker.pid() == pid));
        Ok(())
    }

    /// Decides what the end of a worker means.
    async fn judge_exit(&mut self, mut worker: WorkerHandle, status: ExitStatus) -> Result<(), ArbiterError> {
        let (pid, exit) = (worker.pid(), describe_exit(status));
        // It may have become ready, and have ended, since its last check.
        worker.check(Instant::now(), Duration::ZERO);
        let was_stopped = worker.stopping_since.is_some() && (worker.is_ready || worker.aborted_at.is_none());
        if was_stopped || status.success() {
            tracing::info!("worker {pid} {exit}");
            return Ok(());
        }
        let lifetime = worker.started.elapsed();
        if worker.is_ready {
            // A request made it end, whatever its exit code; a delay would let that request shut out all others.
            self.short_lives = 0;
            tracing::error!("worker {pid} {exit} after {lifetime:.1?}; another one replaces it");
            return Ok(());
        }
        if let Some(failure) = boot_failure(pid, status)
            && !self.survives(&worker, &failure).await
        {
            return Err(failure);
        }
        self.short_lives = if lifetime < SHORT_LIFE { self.short_lives + 1 } else { 0 };
        let delay = restart_delay(self.short_lives);
        self.not_before = Instant::now() + delay;
        tracing::error!("worker {pid} {exit} after {lifetime:.1?}; the next one starts in {delay:?}");
        Ok(())
    }

    /// Whether the server goes on although a worker could not boot: because a reload failed and the workers before it
    /// still serve, or because with `reload` someone is editing the code.
    async fn survives(&mut self, worker: &WorkerHandle, failure: &ArbiterError) -> bool {
        if worker.generation != self.generation {
            return true;
        }
        if self.worker_spec.config.reload {
            tracing::error!("{failure}; waiting for a file to change");
            self.awaits_change = true;
            return true;
        }
        self.undo_reload(failure).await
    }
}

fn boot_failure(pid: u32, status: ExitStatus) -> Option<ArbiterError> {
    let code = u8::try_from(status.code()?).ok()?;
    match code {
        BOOT_ERROR => Some(ArbiterError::Boot(pid)),
        APP_LOAD_ERROR => Some(ArbiterError::AppLoad(pid)),
        _ => None,
    }
}
