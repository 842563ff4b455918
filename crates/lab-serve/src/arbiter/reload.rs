//! Reloading: a new configuration, new listeners where they changed, a new generation of workers, and the way back if
//! the new workers cannot boot.

use tokio::time::Instant;

use super::file_watcher::FileWatcher;
use super::{Arbiter, ArbiterError, ArbiterHooks};
use crate::listen::{ListenError, Listener, SocketOptions, describe_listeners};
use crate::settings::Config;

impl Arbiter {
    pub(super) fn reload(&mut self, hooks: &mut dyn ArbiterHooks) {
        tracing::info!("reloading the configuration");
        let Some((worker_spec, access)) = hooks.reload() else { return };
        let (old, new) = (&self.worker_spec.config, &worker_spec.config);
        let is_rebound = new.bind != old.bind || SocketOptions::from_config(new) != SocketOptions::from_config(old);
        if is_rebound && !self.rebind(new) {
            return;
        }
        self.sinks.replace_access(access);
        self.file_watcher = FileWatcher::from_config(new);
        self.target = new.workers;
        let old_spec = std::mem::replace(&mut self.worker_spec, worker_spec);
        // During an incomplete reload, the specification to go back to is the one before it. After a rebind there is no
        // way back: the old listeners are closed.
        if self.previous.is_none() && !is_rebound {
            self.previous = Some((old_spec, self.generation));
        }
        self.start_generation();
    }

    /// Returns to the specification before a reload whose workers cannot boot. Returns false if there is none.
    pub(super) fn undo_reload(&mut self, failure: &ArbiterError) -> bool {
        let Some((worker_spec, generation)) = self.previous.take() else { return false };
        tracing::error!("{failure}; the reload is undone and the workers before it serve on");
        let now = Instant::now();
        let failed = self.generation;
        for worker in self.workers.iter_mut().filter(|worker| worker.generation == failed) {
            worker.stop(now);
        }
        self.target = worker_spec.config.workers;
        self.worker_spec = worker_spec;
        self.generation = generation;
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
                tracing::error!("{error}; the configuration stays as it was");
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
