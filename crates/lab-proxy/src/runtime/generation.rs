//! The workers of one configuration, with its sockets and logs.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};

use tokio::sync::{mpsc, watch};

use crate::cache::CacheZones;
use crate::config::Config;
use crate::config::logs::Severity;
use crate::config::process::WorkerCount;
use crate::logging::LogFiles;
use crate::runtime::affinity;
use crate::runtime::error::RunError;
use crate::runtime::sockets::{self, BoundAddress};
use crate::runtime::temp_folders;
use crate::runtime::worker::{self, WorkerCommand, WorkerState};
use crate::tls::TlsContexts;

/// The open logs and sockets of a configuration.
pub(crate) struct Resources {
    pub(crate) logs: LogFiles,
    /// The master keeps them too, so that none closes while workers are replaced.
    pub(crate) sockets: Vec<BoundAddress>,
    pub(crate) tls: Arc<TlsContexts>,
    pub(crate) caches: Arc<CacheZones>,
}

impl Resources {
    pub(crate) fn new(
        config: &Config,
        current: &[BoundAddress],
        inherited: Option<&str>,
    ) -> Result<Resources, RunError> {
        let tls = Arc::new(TlsContexts::load(config)?);
        temp_folders::create(config)?;
        let caches = Arc::new(CacheZones::open(config)?);
        let logs = LogFiles::open(config)?;
        let workers = worker_count(config.process.workers);
        Ok(Resources { logs, sockets: sockets::open(&config.listens, workers, current, inherited)?, tls, caches })
    }
}

pub(crate) struct Generation {
    pub(crate) config: Arc<Config>,
    pub(crate) serial: usize,
    pub(crate) command: watch::Sender<WorkerCommand>,
    pub(crate) threads: Vec<JoinHandle<io::Result<()>>>,
    /// The number of threads that have not ended.
    pub(crate) running: usize,
}

impl Generation {
    pub(crate) fn start(
        config: Config,
        resources: &Resources,
        ended: &mpsc::UnboundedSender<usize>,
    ) -> Result<Generation, RunError> {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let config = Arc::new(config);
        let serial = NEXT.fetch_add(1, Ordering::Relaxed);
        let (command, commands) = watch::channel(WorkerCommand::Serve);
        let mut generation = Generation { config, serial, command, threads: Vec::new(), running: 0 };
        let config = &generation.config;
        resources.caches.start()?;
        if let Some(limit) = config.process.open_files {
            limit_open_files(limit, config, &resources.logs);
        }
        let count = worker_count(config.process.workers);
        let allowed = affinity::allowed_cores().unwrap_or_default();
        for (number, cores) in affinity::worker_cores(&config.process.affinity, count, &allowed).into_iter().enumerate()
        {
            let listeners =
                resources.sockets.iter().map(|bound| Ok((bound.worker_socket(number)?, bound.listens.clone())));
            let listeners = listeners.collect::<io::Result<Vec<_>>>()?;
            let state = WorkerState {
                config: Arc::clone(config),
                logs: resources.logs.clone(),
                tls: Arc::clone(&resources.tls),
                caches: Arc::clone(&resources.caches),
            };
            let commands = commands.clone();
            let notifier = ExitNotifier { serial, channel: ended.clone() };
            let run = move || {
                let _notifier = notifier;
                if let Err(error) = affinity::pin(&cores) {
                    let message = format!("sched_setaffinity() failed ({error})");
                    state.logs.error(&state.config.process.error_log, Severity::Alert, &message, None);
                }
                worker::run(&state, listeners, &commands)
            };
            generation.threads.push(thread::Builder::new().name(format!("worker {number}")).spawn(run)?);
            generation.running += 1;
        }
        Ok(generation)
    }

    pub(crate) fn send(&self, command: WorkerCommand) {
        // a worker that stops must not go back to quitting
        self.command.send_if_modified(|current| {
            let is_stronger = command > *current;
            *current = command.max(*current);
            is_stronger
        });
    }
}

/// `worker_rlimit_nofile`. As in nginx, a limit that is not allowed is only logged.
fn limit_open_files(limit: u64, config: &Config, logs: &LogFiles) {
    use rustix::process::{Resource, Rlimit, setrlimit};
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: Some(limit), maximum: Some(limit) }) {
        let message = format!("setrlimit(RLIMIT_NOFILE, {limit}) failed ({error})");
        logs.error(&config.process.error_log, Severity::Alert, &message, None);
    }
}

/// Notifies the master when a worker ends, also by a panic.
struct ExitNotifier {
    serial: usize,
    channel: mpsc::UnboundedSender<usize>,
}

impl Drop for ExitNotifier {
    fn drop(&mut self) {
        // without a receiver the master is ending too
        _ = self.channel.send(self.serial);
    }
}

/// The number of threads. In a container or under taskset, `auto` counts only the usable cores.
fn worker_count(workers: WorkerCount) -> usize {
    match workers {
        WorkerCount::Fixed(count) => count,
        WorkerCount::Auto => thread::available_parallelism().map_or(1, std::num::NonZero::get),
    }
}
