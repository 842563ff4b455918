//! The arbiter (gunicorn's word for the parent process): starts workers around the listening sockets, replaces those that
//! die or hang, and ends them.
//!
//! It serves no requests itself, so a request cannot bring it down. In reading order: the loop (this file),
//! `reload`, one worker (`worker_handle`), what a worker is started with (`worker_spec`, `handover`), and what the
//! arbiter watches (`signals`, `heartbeat`, `file_watcher`).

mod reload;
mod worker_handle;
pub mod worker_spec;
pub mod handover;
mod signals;
pub mod heartbeat;
mod file_watcher;

use std::io;
use std::process::ExitStatus;
use std::time::Duration;

use lab_worker::bootstrap::{APP_LOAD_ERROR, BOOT_ERROR};
use rustix::process::Signal;
use tokio::task::LocalSet;
use tokio::time::{Instant, sleep_until, timeout};

use self::file_watcher::FileWatcher;
use self::heartbeat::WorkerHealth;
use self::signals::{SignalEvent, Signals};
use self::worker_handle::{SHORT_LIFE, WorkerHandle, WorkerIds, describe_exit, restart_delay, take_exited};
use self::worker_spec::WorkerSpec;
use crate::listen::{Listener, SocketOptions};
use crate::logging::error_log::ErrorLog;
use crate::logging::log_sinks::{AccessSinks, LogSinks};
use crate::settings::Config;

pub use self::worker_handle::SpawnError;

/// How much longer than its workers the arbiter waits before it kills them.
const STOP_MARGIN: Duration = Duration::from_secs(1);
/// How often booting workers are checked.
const BOOT_TICK: Duration = Duration::from_millis(25);
/// How often everything else is checked.
const TICK: Duration = Duration::from_secs(1);

/// Why the arbiter ended other than by a signal.
#[derive(Debug, thiserror::Error)]
pub enum ArbiterError {
    #[error("worker {0} failed to boot")]
    Boot(u32),
    #[error("worker {0} failed to load the application")]
    AppLoad(u32),
    #[error(transparent)]
    Spawn(#[from] SpawnError),
    #[error("cannot watch over the workers: {0}")]
    Io(#[from] io::Error),
}

/// Everything an arbiter starts with.
#[derive(Debug)]
pub struct ArbiterParts {
    pub worker_spec: WorkerSpec,
    pub listeners: Vec<Listener>,
    pub access: AccessSinks,
    pub error_log: ErrorLog,
}

/// What the program around an arbiter does for it.
pub trait ArbiterHooks {
    /// The server is ready for connections.
    fn ready(&mut self, listeners: &[Listener]);

    /// Reloads the configuration, and updates error log and pid file. Returns None, after logging the reason, if the
    /// configuration is wrong.
    fn reload(&mut self) -> Option<(WorkerSpec, AccessSinks)>;
}

/// Runs until SIGTERM (graceful), SIGINT or SIGQUIT (quick). Call it on the main thread: the kernel kills the workers
/// when the thread that started them ends.
///
/// # Errors
/// A worker cannot boot, or cannot be started.
pub fn run(parts: ArbiterParts, hooks: &mut dyn ArbiterHooks) -> Result<(), ArbiterError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, async {
        let mut signals = Signals::new()?;
        hooks.ready(&parts.listeners);
        let mut arbiter = Arbiter::new(parts);
        let ended = arbiter.supervise(&mut signals, hooks).await;
        let mode = ended.as_ref().copied().unwrap_or(StopMode::Quick);
        arbiter.stop(mode, &mut signals).await;
        ended.map(drop)
    })
}

/// How workers are asked to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum StopMode {
    Graceful,
    Quick,
}

struct Arbiter {
    worker_spec: WorkerSpec,
    /// The specification before the last reload and its generation, until the workers of that generation are gone.
    previous: Option<(WorkerSpec, u64)>,
    listeners: Vec<Listener>,
    /// With `reuse_port`, the listeners of every worker slot but the first.
    slot_listeners: Vec<Vec<Listener>>,
    sinks: LogSinks,
    workers: Vec<WorkerHandle>,
    /// How many workers there should be.
    target: usize,
    /// Reloads since the start.
    generation: u64,
    /// Workers started since the start.
    age: u64,
    /// Workers in a row that failed soon after their start.
    short_lives: u32,
    /// When the next worker may be started.
    not_before: Instant,
    file_watcher: Option<FileWatcher>,
    /// With `reload`: workers cannot boot, so none is started until a file changes.
    awaits_change: bool,
    next_tick: Instant,
    /// The number of workers last sent to statsd.
    reported_workers: Option<usize>,
}

impl Arbiter {
    fn new(parts: ArbiterParts) -> Arbiter {
        let ArbiterParts { worker_spec, listeners, access, error_log } = parts;
        let file_watcher = FileWatcher::from_config(&worker_spec.config);
        let target = worker_spec.config.workers;
        Arbiter {
            worker_spec,
            previous: None,
            listeners,
            slot_listeners: Vec::new(),
            sinks: LogSinks::new(access, error_log),
            workers: Vec::new(),
            target,
            generation: 0,
            age: 0,
            short_lives: 0,
            not_before: Instant::now(),
            file_watcher,
            awaits_change: false,
            next_tick: Instant::now() + TICK,
            reported_workers: None,
        }
    }

    /// Keeps up the number of workers until a signal asks to stop.
    async fn supervise(
        &mut self,
        signals: &mut Signals,
        hooks: &mut dyn ArbiterHooks,
    ) -> Result<StopMode, ArbiterError> {
        loop {
            self.reap()?;
            self.check_health();
            self.retire();
            let starts = self.needs_worker() && !self.awaits_change;
            if starts && Instant::now() >= self.not_before {
                self.start_worker()?;
                continue;
            }
            self.report_worker_count();
            if Instant::now() >= self.next_tick {
                self.tick();
                continue;
            }
            let is_booting = self.workers.iter().any(|worker| !worker.is_ready && worker.stopping_since.is_none());
            let wake = if is_booting { Instant::now() + BOOT_TICK } else { self.next_tick };
            let event = tokio::select! {
                event = signals.next() => event,
                () = sleep_until(wake) => continue,
                () = sleep_until(self.not_before), if starts => continue,
            };
            match event {
                SignalEvent::ChildExited => {}
                SignalEvent::GracefulStop => return Ok(StopMode::Graceful),
                SignalEvent::QuickStop => return Ok(StopMode::Quick),
                SignalEvent::Reload => self.reload(hooks),
                SignalEvent::AddWorker => self.resize(self.target + 1),
                // gunicorn keeps the last worker as well.
                SignalEvent::RemoveWorker => self.resize(self.target.saturating_sub(1).max(1)),
                SignalEvent::ReopenLogs => self.sinks.reopen(),
                SignalEvent::Upgrade(signal) => tracing::warn!(
                    "{signal} is not supported: a running server cannot be upgraded; SIGHUP replaces its workers"
                ),
            }
        }
    }

    /// Workers of the current generation that are not stopping.
    fn current(&self) -> impl Iterator<Item = &WorkerHandle> {
        let generation = self.generation;
        self.workers.iter().filter(move |worker| worker.generation == generation && worker.stopping_since.is_none())
    }

    fn needs_worker(&self) -> bool {
        self.current().count() < self.target
    }

    fn start_worker(&mut self) -> Result<(), ArbiterError> {
        let taken: Vec<usize> = self.current().map(|worker| worker.slot).collect();
        let slot = (0..).find(|slot| !taken.contains(slot)).unwrap_or_default();
        self.age += 1;
        let ids = WorkerIds { age: self.age, generation: self.generation, slot };
        let options = SocketOptions::from_config(&self.worker_spec.config);
        // The first slot uses the sockets that were bound first: with SO_REUSEPORT the kernel may give a connection to
        // any of them, so each must have a worker.
        let sockets = match slot.checked_sub(1) {
            Some(index) if options.reuse_port => {
                while self.slot_listeners.len() <= index {
                    let siblings = self.listeners.iter().map(|listener| listener.sibling(options));
                    self.slot_listeners.push(siblings.collect::<Result<_, _>>()?);
                }
                &self.slot_listeners[index]
            }
            _ => &self.listeners,
        };
        self.workers.push(WorkerHandle::start(&self.worker_spec, sockets, ids, &mut self.sinks)?);
        Ok(())
    }

    /// Removes the workers that have ended, and decides how their replacements start.
    fn reap(&mut self) -> Result<(), ArbiterError> {
        for (worker, status) in take_exited(&mut self.workers) {
            let (pid, exit) = (worker.pid(), describe_exit(status));
            if worker.stopping_since.is_some() || status.success() {
                tracing::info!("worker {pid} {exit}");
                continue;
            }
            if let Some(failure) = boot_failure(pid, status)
                && !self.survives(&worker, &failure)
            {
                return Err(failure);
            }
            let lifetime = worker.started.elapsed();
            self.short_lives = if lifetime < SHORT_LIFE { self.short_lives + 1 } else { 0 };
            let delay = restart_delay(self.short_lives);
            self.not_before = Instant::now() + delay;
            tracing::error!("worker {pid} {exit} after {lifetime:.1?}; the next one starts in {delay:?}");
        }
        Ok(())
    }

    /// Whether the server goes on although a worker could not boot: because a reload failed and the workers before it
    /// still serve, or because with `reload` someone is editing the code.
    fn survives(&mut self, worker: &WorkerHandle, failure: &ArbiterError) -> bool {
        if worker.generation != self.generation {
            return true;
        }
        if self.worker_spec.config.reload {
            tracing::error!("{failure}; waiting for a file to change");
            self.awaits_change = true;
            return true;
        }
        self.undo_reload(failure)
    }

    /// Aborts workers that hang, and kills those that do not end in time.
    fn check_health(&mut self) {
        let now = Instant::now();
        let config = &self.worker_spec.config;
        for worker in &mut self.workers {
            let pid = worker.pid();
            if let Some(aborted_at) = worker.aborted_at {
                if now.duration_since(aborted_at) > TICK {
                    worker.signal(Signal::KILL);
                }
                continue;
            }
            if let WorkerHealth::Hung(request) = worker.check(now, config.timeout) {
                let request = request.as_deref().unwrap_or("no request");
                tracing::error!("WORKER TIMEOUT (pid:{pid}): silent for more than {:?}, in {request}", config.timeout);
                worker.aborted_at = Some(now);
                worker.signal(Signal::ABORT);
            }
            let limit = config.graceful_timeout + STOP_MARGIN;
            if worker.stopping_since.is_some_and(|since| now.duration_since(since) > limit) {
                tracing::warn!("killing worker {pid}, which did not end within {:?}", config.graceful_timeout);
                worker.aborted_at = Some(now);
                worker.signal(Signal::KILL);
            }
        }
    }

    /// Stops surplus workers. Workers from before a reload stop only when their successors are ready, so there is always
    /// one that accepts.
    fn retire(&mut self) {
        let now = Instant::now();
        let ready = self.current().filter(|worker| worker.is_ready).count();
        let is_replaced = ready >= self.target;
        let (generation, slots) = (self.generation, self.target);
        for worker in &mut self.workers {
            let is_surplus = if worker.generation == generation { worker.slot >= slots } else { is_replaced };
            if is_surplus {
                worker.stop(now);
            }
        }
        // A listener without a worker would take connections that are never accepted.
        self.slot_listeners.truncate(slots.saturating_sub(1));
        if is_replaced && self.workers.iter().all(|worker| worker.generation == generation) {
            self.previous = None;
        }
    }

    /// Periodic work: watched files and the backlog metric.
    fn tick(&mut self) {
        self.next_tick = Instant::now() + TICK;
        if let Some(changed) = self.file_watcher.as_mut().and_then(FileWatcher::changed) {
            tracing::info!("{} was modified: replacing the workers", changed.display());
            self.awaits_change = false;
            self.start_generation();
        }
        if self.worker_spec.config.statsd.as_ref().is_some_and(|statsd| statsd.backlog) {
            let listeners = self.listeners.iter().chain(self.slot_listeners.iter().flatten());
            self.sinks.report_backlog(listeners.filter_map(Listener::waiting).sum());
        }
    }

    fn report_worker_count(&mut self) {
        let count = self.workers.iter().filter(|worker| worker.stopping_since.is_none()).count();
        if self.reported_workers.replace(count) != Some(count) {
            self.sinks.report_workers(count);
        }
    }

    fn resize(&mut self, target: usize) {
        tracing::info!("{target} workers are wanted instead of {}", self.target);
        self.target = target;
    }

    /// Marks all workers as outdated. New ones start without a delay.
    fn start_generation(&mut self) {
        self.generation += 1;
        self.short_lives = 0;
        self.not_before = Instant::now();
    }

    /// Stops all workers, and kills those that do not end in time. SIGINT and SIGQUIT shorten a graceful stop.
    async fn stop(&mut self, mode: StopMode, signals: &mut Signals) {
        tracing::info!("stopping {} workers", self.workers.len());
        // Closing the listeners first makes the kernel refuse new connections.
        let slot_listeners = std::mem::take(&mut self.slot_listeners).into_iter().flatten();
        std::mem::take(&mut self.listeners).into_iter().chain(slot_listeners).for_each(Listener::close);
        let deadline = Instant::now() + self.worker_spec.config.graceful_timeout + STOP_MARGIN;
        let signal = if mode == StopMode::Graceful { Signal::TERM } else { Signal::QUIT };
        self.workers.iter().for_each(|worker| worker.signal(signal));
        loop {
            take_exited(&mut self.workers);
            if self.workers.is_empty() {
                break;
            }
            tokio::select! {
                event = signals.next() => if event == SignalEvent::QuickStop {
                    self.workers.iter().for_each(|worker| worker.signal(Signal::QUIT));
                },
                () = sleep_until(deadline) => {
                    tracing::warn!("killing {} workers that did not end in time", self.workers.len());
                    self.workers.iter_mut().for_each(WorkerHandle::kill);
                    self.workers.clear();
                }
            }
        }
        // The last reports are still in the pipes. A process that a worker left behind may hold one open for ever.
        for reader in self.sinks.readers.drain(..) {
            let _ = timeout(STOP_MARGIN, reader).await;
        }
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

impl SocketOptions {
    /// The socket options of a configuration.
    #[must_use]
    pub fn from_config(config: &Config) -> SocketOptions {
        SocketOptions {
            backlog: config.backlog,
            reuse_port: config.reuse_port,
            umask: config.process.umask,
            owner: (config.process.user, config.process.group),
        }
    }
}
