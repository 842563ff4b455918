//! The arbiter (gunicorn's word for the parent process): starts workers around the listening sockets, replaces those that
//! die or hang, and ends them.
//!
//! It serves no requests itself, so a request cannot bring it down. In reading order: the loop (this file),
//! `worker_exits`, `reload`, `upgrade`, `shutdown`, the server hooks (`server_hooks`) and the process that runs them
//! (`fork_server`), one worker (`worker_handle`, `child`), the settings a worker starts with (`worker_spec`, `handover`),
//! and the events the arbiter waits for (`signals`, `heartbeat`, `file_watcher`).

mod worker_exits;
mod reload;
pub mod upgrade;
mod shutdown;
mod server_hooks;
mod fork_server;
mod worker_handle;
mod child;
pub mod worker_spec;
pub mod handover;
mod signals;
pub mod heartbeat;
mod orphans;
mod file_watcher;

use std::io;
use std::time::Duration;

use lab_worker::bootstrap::{APP_LOAD_ERROR, BOOT_ERROR};
use rustix::process::{Pid, Signal};
use tokio::task::LocalSet;
use tokio::time::{Instant, sleep_until};

use self::file_watcher::FileWatcher;
use self::fork_server::ForkServer;
use self::heartbeat::WorkerHealth;
use self::server_hooks::Phase;
use self::shutdown::StopMode;
use self::signals::{SignalEvent, Signals};
use self::upgrade::StartCommand;
use self::worker_handle::{WorkerHandle, WorkerIds, WorkerStart};
use self::worker_spec::WorkerSpec;
use crate::listen::{ListenError, Listener, SocketOptions};
use crate::listener_source::ListenerSource;
use crate::logging::error_log::ErrorLog;
use crate::logging::log_sinks::{AccessSinks, LogSinks};
use crate::settings::Config;

pub use self::child::SpawnError;
pub use self::fork_server::ForkServerError;

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
    /// A server hook raised an exception, the application cannot be preloaded, or the fork server does not start.
    #[error("{error}")]
    ServerHook { error: ForkServerError, code: u8 },
    #[error(transparent)]
    Listen(#[from] ListenError),
    #[error(transparent)]
    Spawn(#[from] SpawnError),
    #[error("cannot supervise the workers: {0}")]
    Io(#[from] io::Error),
}

impl ArbiterError {
    /// The exit code of the server.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            ArbiterError::AppLoad(_) => APP_LOAD_ERROR,
            ArbiterError::ServerHook { code, .. } => *code,
            _ => BOOT_ERROR,
        }
    }
}

/// Everything an arbiter starts with.
#[derive(Debug)]
pub struct ArbiterParts {
    pub worker_spec: WorkerSpec,
    pub listener_source: ListenerSource,
    /// Starts a new arbiter when this one is upgraded.
    pub start_command: StartCommand,
    /// The arbiter that has started this one in its upgrade.
    pub old_arbiter: Option<Pid>,
    pub access: AccessSinks,
    pub error_log: ErrorLog,
}

/// The parts of an arbiter's work that the program around it does.
pub trait ArbiterHooks {
    /// The server is ready for connections.
    fn ready(&mut self, listeners: &[Listener]);

    /// Reloads the configuration, and updates error log and pid file. Returns None, after logging the reason, if the
    /// configuration is wrong.
    fn reload(&mut self) -> Option<(WorkerSpec, AccessSinks)>;

    /// The old arbiter of an upgrade has ended, and this one takes its place.
    fn promoted(&mut self);
}

/// Runs until SIGTERM (graceful), SIGINT or SIGQUIT (quick). Call it on the main thread: the kernel kills the workers
/// when the thread that started them ends.
///
/// # Errors
/// A worker cannot boot or be started, an address cannot be bound, or a server hook raised an exception.
pub fn run(parts: ArbiterParts, hooks: &mut dyn ArbiterHooks) -> Result<(), ArbiterError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, async {
        let mut signals = Signals::new()?;
        let mut arbiter = Arbiter::new(parts);
        let ended = match arbiter.start(hooks).await {
            Ok(()) => arbiter.serve(&mut signals, hooks).await,
            Err(error) => Err(error),
        };
        arbiter.finish().await;
        ended
    })
}

struct Arbiter {
    worker_spec: WorkerSpec,
    /// The specification before the last reload and its generation, until the workers of that generation are gone.
    previous: Option<(WorkerSpec, u64)>,
    listener_source: ListenerSource,
    listeners: Vec<Listener>,
    /// With `reuse_port`, the listeners of every worker slot but the first.
    slot_listeners: Vec<Vec<Listener>>,
    sinks: LogSinks,
    workers: Vec<WorkerHandle>,
    fork_server: Option<ForkServer>,
    start_command: StartCommand,
    /// The arbiter that has started this one in its upgrade, as long as it runs.
    old_arbiter: Option<Pid>,
    /// The arbiter that this one has started in an upgrade, as long as it runs.
    new_arbiter: Option<Pid>,
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
    /// Whether a reload was asked for while the one before was still starting its workers.
    reload_pending: bool,
    last_reload: Option<Instant>,
    /// The number of workers last sent to statsd.
    reported_workers: Option<usize>,
}

impl Arbiter {
    fn new(parts: ArbiterParts) -> Arbiter {
        let ArbiterParts { worker_spec, listener_source, start_command, old_arbiter, access, error_log } = parts;
        let file_watcher = FileWatcher::from_config(&worker_spec.config);
        let target = worker_spec.config.workers;
        Arbiter {
            worker_spec,
            previous: None,
            listener_source,
            listeners: Vec::new(),
            slot_listeners: Vec::new(),
            sinks: LogSinks::new(access, error_log),
            workers: Vec::new(),
            fork_server: None,
            start_command,
            old_arbiter,
            new_arbiter: None,
            target,
            generation: 0,
            age: 0,
            short_lives: 0,
            not_before: Instant::now(),
            file_watcher,
            awaits_change: false,
            next_tick: Instant::now() + TICK,
            reload_pending: false,
            last_reload: None,
            reported_workers: None,
        }
    }

    /// Everything before the first worker, with the server hooks in gunicorn's order.
    async fn start(&mut self, hooks: &mut dyn ArbiterHooks) -> Result<(), ArbiterError> {
        self.start_fork_server().await?;
        self.call_hook("on_starting", Phase::OutsideLoop).await?;
        let config = &self.worker_spec.config;
        self.listeners = self.listener_source.listen(&config.bind, SocketOptions::from_config(config))?;
        self.assign_slot_listeners();
        hooks.ready(&self.listeners);
        self.call_hook("when_ready", Phase::OutsideLoop).await
    }

    /// Keeps up the number of workers until a signal asks to stop, and then stops.
    async fn serve(&mut self, signals: &mut Signals, hooks: &mut dyn ArbiterHooks) -> Result<(), ArbiterError> {
        let ended = self.supervise(signals, hooks).await;
        let mode = ended.as_ref().copied().unwrap_or(StopMode::Quick);
        let stopped = self.stop(mode, signals).await;
        // As in gunicorn, the exception of another hook leaves this one out.
        let exited = match &ended {
            Err(ArbiterError::ServerHook { .. }) => Ok(()),
            _ => self.call_hook("on_exit", Phase::OutsideLoop).await,
        };
        ended.map(drop).and(stopped).and(exited)
    }

    /// Keeps up the number of workers until a signal asks to stop.
    async fn supervise(
        &mut self,
        signals: &mut Signals,
        hooks: &mut dyn ArbiterHooks,
    ) -> Result<StopMode, ArbiterError> {
        loop {
            self.check_old_arbiter(hooks);
            self.reap().await?;
            self.check_health();
            self.retire();
            if self.reload_pending && !self.is_reloading() {
                self.reload_pending = false;
                self.last_reload = Some(Instant::now());
                self.reload(hooks).await?;
            }
            let starts = self.needs_worker() && !self.awaits_change;
            if starts && Instant::now() >= self.not_before {
                self.start_worker().await?;
                continue;
            }
            self.report_worker_count();
            if Instant::now() >= self.next_tick {
                self.tick();
                continue;
            }
            let is_booting = self.workers.iter().any(|worker| !worker.is_ready && worker.stopping_since.is_none());
            // A worker that retires by itself needs a successor soon, and only its scoreboard tells.
            let may_retire = self.worker_spec.config.max_requests > 0;
            let wake =
                if is_booting || may_retire { self.next_tick.min(Instant::now() + BOOT_TICK) } else { self.next_tick };
            let event = tokio::select! {
                event = signals.next() => event,
                () = sleep_until(wake) => continue,
                () = sleep_until(self.not_before), if starts => continue,
            };
            match event {
                SignalEvent::ChildExited => {}
                SignalEvent::GracefulStop => return Ok(StopMode::Graceful),
                SignalEvent::QuickStop => return Ok(StopMode::Quick),
                SignalEvent::Reload => self.reload_pending = true,
                SignalEvent::AddWorker => self.resize(self.target + 1).await?,
                // gunicorn keeps the last worker as well.
                SignalEvent::RemoveWorker => self.resize(self.target.saturating_sub(1).max(1)).await?,
                SignalEvent::ReopenLogs => {
                    self.reopen_fork_server_logs().await;
                    self.reopen_logs();
                }
                SignalEvent::Upgrade => self.upgrade().await,
                // A terminal sends it when its window changes, so it means this only without a terminal, as in gunicorn.
                SignalEvent::StopWorkers if self.worker_spec.config.process.daemon => self.resize(0).await?,
                SignalEvent::StopWorkers => tracing::debug!("SIGWINCH is ignored: the server is not a daemon"),
            }
        }
    }

    /// Whether the workers of the last reload are still booting. A second reload waits for them, so that a burst of
    /// SIGHUP starts few workers; but not for long, because the first configuration may be one whose workers never boot.
    fn is_reloading(&self) -> bool {
        let is_recent = self.last_reload.is_some_and(|reload| reload.elapsed() < TICK);
        is_recent && self.current().filter(|worker| worker.is_ready).count() < self.target
    }

    /// Workers of the current generation that are not stopping.
    fn current(&self) -> impl Iterator<Item = &WorkerHandle> {
        let generation = self.generation;
        self.workers.iter().filter(move |worker| worker.generation == generation && worker.stopping_since.is_none())
    }

    fn needs_worker(&self) -> bool {
        self.current().count() < self.target
    }

    async fn start_worker(&mut self) -> Result<(), ArbiterError> {
        if !self.has_needed_fork_server().await {
            return Ok(());
        }
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
        let fork_server = self.fork_server.as_ref().map(|fork_server| (fork_server, self.server_state()));
        let start = WorkerStart { spec: &self.worker_spec, sockets, ids, fork_server };
        match WorkerHandle::start(start, &mut self.sinks).await {
            Ok(worker) => self.workers.push(worker),
            Err(error) => self.judge_failure(error, Phase::InLoop)?,
        }
        Ok(())
    }

    /// Aborts workers that hang, and kills those that do not end in time. A worker whose call could be interrupted serves
    /// the connections it has, as after SIGTERM, while its successor accepts new ones.
    fn check_health(&mut self) {
        let now = Instant::now();
        let config = &self.worker_spec.config;
        for worker in &mut self.workers {
            let pid = worker.pid();
            if let WorkerHealth::Hung(request) = worker.check(now, config.timeout) {
                match worker.aborted_at {
                    None => {
                        let request = request.as_deref().unwrap_or("no request");
                        let timeout = config.timeout;
                        tracing::error!("WORKER TIMEOUT (pid:{pid}): silent for more than {timeout:?}, in {request}");
                        worker.abort(now);
                    }
                    Some(aborted_at) if now.duration_since(aborted_at) > TICK => worker.signal(Signal::KILL),
                    Some(_) => {}
                }
            }
            let limit = config.graceful_timeout + STOP_MARGIN;
            if worker.stopping_since.is_some_and(|since| now.duration_since(since) > limit) {
                tracing::warn!("killing worker {pid}, which did not end within {:?}", config.graceful_timeout);
                worker.signal(Signal::KILL);
            }
        }
    }

    /// Stops surplus workers. Workers from before a reload stop only when their successors are ready, so there is always
    /// one that accepts; those that were still booting at the reload stop at once.
    fn retire(&mut self) {
        let now = Instant::now();
        let ready = self.current().filter(|worker| worker.is_ready).count();
        let is_replaced = ready >= self.target;
        let (generation, slots) = (self.generation, self.target);
        for worker in &mut self.workers {
            let is_surplus =
                if worker.generation == generation { worker.slot >= slots } else { is_replaced || !worker.is_ready };
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

    /// Reopens the log files of the arbiter, and those that workers write themselves.
    fn reopen_logs(&mut self) {
        self.sinks.reopen();
        self.workers.iter_mut().for_each(WorkerHandle::reopen_logs);
    }

    async fn resize(&mut self, target: usize) -> Result<(), ArbiterError> {
        tracing::info!("changing the number of workers from {} to {target}", self.target);
        let before = std::mem::replace(&mut self.target, target);
        if before == target { Ok(()) } else { self.report_resize(Some(before), Phase::InLoop).await }
    }

    /// Marks all workers as outdated. New ones start without a delay.
    fn start_generation(&mut self) {
        self.generation += 1;
        self.short_lives = 0;
        self.not_before = Instant::now();
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
