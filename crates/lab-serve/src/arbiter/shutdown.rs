//! The end of a server: its listeners, its workers and its fork server.

use rustix::process::Signal;
use tokio::time::{Instant, sleep_until, timeout};

use super::server_hooks::Phase;
use super::signals::{SignalEvent, Signals};
use super::worker_handle::take_exited;
use super::{Arbiter, ArbiterError, STOP_MARGIN};

/// How to stop the workers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StopMode {
    Graceful,
    Quick,
}

impl Arbiter {
    /// Stops all workers, and kills those that do not end in time. SIGINT and SIGQUIT shorten a graceful stop. The error is
    /// that of the first server hook that failed.
    pub(super) async fn stop(&mut self, mode: StopMode, signals: &mut Signals) -> Result<(), ArbiterError> {
        tracing::info!("stopping {} workers", self.workers.len());
        self.close_listeners();
        let mut stopped = Ok(());
        let deadline = Instant::now() + self.worker_spec.config.graceful_timeout + STOP_MARGIN;
        let signal = if mode == StopMode::Graceful { Signal::TERM } else { Signal::QUIT };
        self.workers.iter().for_each(|worker| worker.signal(signal));
        loop {
            for (worker, _) in take_exited(&mut self.workers) {
                let reported = self.report_exit(worker.pid(), Phase::OutsideLoop).await;
                stopped = stopped.and(reported);
            }
            if self.workers.is_empty() {
                break;
            }
            tokio::select! {
                event = signals.next() => if event == SignalEvent::QuickStop {
                    self.workers.iter().for_each(|worker| worker.signal(Signal::QUIT));
                },
                () = sleep_until(deadline) => {
                    tracing::warn!("killing {} workers that did not end in time", self.workers.len());
                    for mut worker in std::mem::take(&mut self.workers) {
                        worker.kill();
                        let reported = self.report_exit(worker.pid(), Phase::OutsideLoop).await;
                        stopped = stopped.and(reported);
                    }
                }
            }
        }
        stopped
    }

    /// Closes the listeners, so that the kernel refuses new connections, unless another arbiter has them as well: then the
    /// path of a unix socket stays, too.
    fn close_listeners(&mut self) {
        let slot_listeners = std::mem::take(&mut self.slot_listeners).into_iter().flatten();
        let listeners = std::mem::take(&mut self.listeners).into_iter().chain(slot_listeners);
        let is_shared = self.old_arbiter.is_some() || self.new_arbiter.is_some();
        listeners.for_each(|listener| if is_shared { drop(listener) } else { listener.close() });
    }

    /// Ends the fork server, and drains the pipes.
    pub(super) async fn finish(&mut self) {
        if let Some(fork_server) = self.fork_server.take() {
            fork_server.end(self.worker_spec.config.graceful_timeout + STOP_MARGIN).await;
        }
        // The last reports are still in the pipes. A process that a worker left behind may hold one open forever.
        for reader in self.sinks.readers.drain(..) {
            let _ = timeout(STOP_MARGIN, reader).await;
        }
    }
}
