//! Reloading: a new configuration, new listeners where they changed, a new generation of workers, and the way back if
//! the new workers cannot boot.

use tokio::time::Instant;

use super::file_watcher::FileWatcher;
use super::fork_server::{ForkServer, ForkServerError};
use super::server_hooks::Phase;
use super::worker_spec::WorkerSpec;
use super::{Arbiter, ArbiterError, ArbiterHooks};
use crate::listen::{ListenError, Listener, SocketOptions, describe_listeners};
use crate::settings::Config;

impl Arbiter {
    /// Reloads the configuration. The error is that of a server hook.
    pub(super) async fn reload(&mut self, hooks: &mut dyn ArbiterHooks) -> Result<(), ArbiterError> {
        tracing::info!("reloading the configuration");
        let Some((worker_spec, access)) = hooks.reload() else { return Ok(()) };
        if let Err(error) = self.configure_fork_server(&worker_spec).await {
            tracing::error!("{error}; keeping the old configuration");
            return Ok(());
        }
        let (old, new) = (&self.worker_spec.config, &worker_spec.config);
        let is_rebound = new.bind != old.bind || SocketOptions::from_config(new) != SocketOptions::from_config(old);
        if is_rebound && !self.rebind(new) {
            self.restore_fork_server().await;
            return Ok(());
        }
        self.sinks.replace_access(access);
        self.file_watcher = FileWatcher::from_config(new);
        let target_before = std::mem::replace(&mut self.target, new.workers);
        let old_spec = std::mem::replace(&mut self.worker_spec, worker_spec);
        // During an incomplete reload, the specification to go back to is the one before it. After a rebind there is no
        // way back: the old listeners are closed.
        if self.previous.is_none() && !is_rebound {
            self.previous = Some((old_spec, self.generation));
        }
        self.report_resize(Some(target_before), Phase::InLoop).await?;
        self.call_hook("on_reload", Phase::InLoop).await?;
        self.start_generation();
        Ok(())
    }

    /// Makes the fork server evaluate the configuration file again. As in gunicorn, a preloaded application stays the one
    /// that was loaded first. A fork server without such state is replaced: workers get the packages that are installed now.
    async fn configure_fork_server(&mut self, new: &WorkerSpec) -> Result<(), ForkServerError> {
        let (old_logs, new_logs) = (&self.worker_spec.config.logs, &new.config.logs);
        let is_output_moved = (old_logs.errorlog == "-") != (new_logs.errorlog == "-")
            || old_logs.capture_output != new_logs.capture_output;
        let is_kept = self.worker_spec.keeps_fork_server && new.keeps_fork_server && !is_output_moved;
        if let Some(fork_server) = self.fork_server.as_ref().filter(|_| is_kept) {
            let mut configured = fork_server.configure(self.server_state(), new, self.previous.is_some()).await;
            if configured.is_ok() {
                configured = fork_server.preload(self.server_state(), new).await;
                if configured.is_err() {
                    self.restore_fork_server().await;
                }
            }
            match configured {
                // It has ended, and another one takes its place.
                Err(ForkServerError::Gone(_)) => {}
                configured => return configured,
            }
        }
        let started = ForkServer::start(new, self.server_state(), &mut self.sinks).await?;
        if let Some(fork_server) = &started {
            fork_server.preload(self.server_state(), new).await?;
        }
        self.fork_server = started;
        Ok(())
    }

    /// Makes the fork server return to the former configuration. One that has no former configuration is replaced when the
    /// next worker starts.
    async fn restore_fork_server(&mut self) {
        let Some(fork_server) = &self.fork_server else { return };
        if let Err(error) = fork_server.restore_configuration(self.server_state()).await {
            tracing::debug!("{error}; the next worker starts from another fork server");
            self.fork_server = None;
        }
    }

    /// Returns to the specification before a reload whose workers cannot boot. Returns false if there is none.
    pub(super) async fn undo_reload(&mut self, failure: &ArbiterError) -> bool {
        let Some((worker_spec, generation)) = self.previous.take() else { return false };
        tracing::error!("{failure}; undoing the reload, and the previous workers keep serving");
        let now = Instant::now();
        let failed = self.generation;
        for worker in self.workers.iter_mut().filter(|worker| worker.generation == failed) {
            worker.stop(now);
        }
        self.target = worker_spec.config.workers;
        self.worker_spec = worker_spec;
        self.generation = generation;
        self.restore_fork_server().await;
        true
    }

    /// Binds new addresses, keeps unchanged listeners, and closes the rest. Returns false, and changes nothing, if an
    /// address cannot be bound.
    fn rebind(&mut self, config: &Config) -> bool {
        let options = SocketOptions::from_config(config);
        let old_binds = &self.worker_spec.config.bind;
        let keeps_options = SocketOptions::from_config(&self.worker_spec.config) == options;
        let bound: Result<Vec<Option<Listener>>, ListenError> = config
            .bind
            .iter()
            .map(
                |bind| {
                    if keeps_options && old_binds.contains(bind) { Ok(None) } else { bind.listen(options).map(Some) }
                },
            )
            .collect();
        let bound = match bound {
            Ok(bound) => bound,
            Err(error) => {
                tracing::error!("{error}; keeping the old configuration");
                return false;
            }
        };
        let mut old: Vec<_> = old_binds.iter().cloned().zip(std::mem::take(&mut self.listeners)).collect();
        for (bind, new) in config.bind.iter().zip(bound) {
            let kept = old.iter().position(|(old_bind, _)| old_bind == bind);
            let listener = new.or_else(|| kept.map(|index| old.remove(index).1));
            self.listeners.extend(listener);
        }
        self.slot_listeners.clear();
        old.into_iter().for_each(|(_, listener)| listener.close());
        let addresses = describe_listeners(&self.listeners, config.tls.is_some());
        tracing::info!("Listening at: {addresses} ({})", std::process::id());
        true
    }
}
