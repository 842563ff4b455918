//! The master: starts workers around the listening sockets, replaces those that die or hang, and ends them (gunicorn's
//! arbiter).
//!
//! It serves nothing itself, so that nothing a request does can bring it down.

use std::cell::RefCell;
use std::io;
use std::process::ExitStatus;
use std::rc::Rc;
use std::time::Duration;

use lab_worker::worker_settings::{APP_LOAD_ERROR, BOOT_ERROR};
use rustix::process::Signal;
use tokio::task::LocalSet;
use tokio::time::{Instant, sleep_until, timeout};

use crate::crew::{self, Desk, Member, Plan, StartError, restart_delay, take_ended};
use crate::heartbeat::Condition;
use crate::journal::Journal;
use crate::listen::{ListenError, Listener, SocketOptions};
use crate::log::ErrorLog;
use crate::settings::Config;
use crate::signals::{Signals, Told};
use crate::watch::Watch;

/// How much longer than its workers the master waits for them.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often workers that boot are looked at, until they serve.
const BOOT_TICK: Duration = Duration::from_millis(25);
/// How often everything else is looked at.
const TICK: Duration = Duration::from_secs(1);

/// Why the master ended other than by a signal.
#[derive(Debug, thiserror::Error)]
pub enum MasterError {
    /// A worker said that it cannot boot.
    #[error("worker {0} failed to boot")]
    Boot(u32),
    /// A worker said that it cannot load its application.
    #[error("worker {0} failed to load the application")]
    AppLoad(u32),
    /// A worker could not even be started.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The system refused something else.
    #[error("cannot watch over the workers: {0}")]
    Io(#[from] io::Error),
}

/// What a master is made of.
#[derive(Debug)]
pub struct Master {
    /// What workers are made from.
    pub plan: Plan,
    /// Where they listen.
    pub listeners: Vec<Listener>,
    /// Where their reports go.
    pub journal: Journal,
    /// The error log.
    pub log: ErrorLog,
}

/// What the world around a master does for it.
pub trait Surface {
    /// The server is ready to be asked.
    fn ready(&mut self, listeners: &[Listener]);

    /// Reads the configuration again, and makes logs and pidfile fit it; None, after saying so, if it is wrong.
    fn reload(&mut self) -> Option<(Plan, Journal)>;
}

/// Runs until SIGTERM (graceful), SIGINT or SIGQUIT (quick), from the main thread: workers die with the thread that
/// started them.
///
/// # Errors
/// A worker cannot boot, or cannot be started.
pub fn run(master: Master, surface: &mut dyn Surface) -> Result<(), MasterError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, async {
        let mut signals = Signals::new()?;
        surface.ready(&master.listeners);
        let mut crew = Crew::new(master);
        let ended = crew.watch_over(&mut signals, surface).await;
        let ending = ended.as_ref().copied().unwrap_or(Ending::Quick);
        crew.stop(ending, &mut signals).await;
        ended.map(drop)
    })
}

/// How the workers are told to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    Graceful,
    Quick,
}

/// The workers and what is needed to start one.
struct Crew {
    plan: Plan,
    /// The plan before the last reload, until its workers are gone.
    previous: Option<(Plan, u64)>,
    listeners: Vec<Listener>,
    /// Those of one worker each, from the second on (gunicorn's `reuse_port`).
    seats: Vec<Vec<Listener>>,
    desk: Desk,
    members: Vec<Member>,
    /// How many there should be.
    wanted: usize,
    /// Reloads so far.
    generation: u64,
    /// Workers started so far.
    age: u64,
    /// Short lives in a row.
    short_lives: u32,
    /// When the next worker may be started.
    not_before: Instant,
    watch: Option<Watch>,
    /// With `reload`: workers cannot boot, and none is started until a file changes.
    awaits_change: bool,
    next_tick: Instant,
    counted: Option<usize>,
}

impl Crew {
    fn new(master: Master) -> Crew {
        let Master { plan, listeners, journal, log } = master;
        let watch = watch(&plan.config);
        let wanted = plan.config.workers;
        let journal = Rc::new(RefCell::new(journal));
        Crew {
            plan,
            previous: None,
            listeners,
            seats: Vec::new(),
            desk: Desk { journal, log, readers: Vec::new() },
            members: Vec::new(),
            wanted,
            generation: 0,
            age: 0,
            short_lives: 0,
            not_before: Instant::now(),
            watch,
            awaits_change: false,
            next_tick: Instant::now() + TICK,
            counted: None,
        }
    }

    /// Keeps up the number of workers until told to end.
    async fn watch_over(&mut self, signals: &mut Signals, surface: &mut dyn Surface) -> Result<Ending, MasterError> {
        loop {
            self.reap()?;
            self.look_at_all();
            self.retire();
            let starts = self.is_short() && !self.awaits_change;
            if starts && Instant::now() >= self.not_before {
                self.start_one()?;
                continue;
            }
            self.count();
            if Instant::now() >= self.next_tick {
                self.tick();
                continue;
            }
            let is_booting = self.members.iter().any(|member| !member.ready && member.dismissed.is_none());
            let wake = if is_booting { Instant::now() + BOOT_TICK } else { self.next_tick };
            let told = tokio::select! {
                told = signals.next() => told,
                () = sleep_until(wake) => continue,
                () = sleep_until(self.not_before), if starts => continue,
            };
            match told {
                Told::Child => {}
                Told::Finish => return Ok(Ending::Graceful),
                Told::Quit => return Ok(Ending::Quick),
                Told::Reload => self.reload(surface),
                Told::More => self.resize(self.wanted + 1),
                // The last one is not taken away.
                Told::Less => self.resize(self.wanted.saturating_sub(1).max(1)),
                Told::Reopen => self.reopen(),
                Told::Upgrade(signal) => tracing::warn!(
                    "{signal} is not supported: a running server cannot be upgraded; SIGHUP replaces its workers"
                ),
            }
        }
    }

    /// Workers of the current generation that are to stay.
    fn current(&self) -> impl Iterator<Item = &Member> {
        let generation = self.generation;
        self.members.iter().filter(move |member| member.generation == generation && member.dismissed.is_none())
    }

    fn is_short(&self) -> bool {
        self.current().count() < self.wanted
    }

    fn start_one(&mut self) -> Result<(), MasterError> {
        let taken: Vec<usize> = self.current().map(|member| member.seat).collect();
        let seat = (0..).find(|seat| !taken.contains(seat)).unwrap_or_default();
        self.age += 1;
        let ids = (self.age, self.generation, seat);
        let options = socket_options(&self.plan.config);
        // The first seat is that of the sockets that were bound first: a connection may end up at any of them.
        let sockets = match seat.checked_sub(1) {
            Some(further) if options.reuse_port => {
                while self.seats.len() <= further {
                    let siblings = self.listeners.iter().map(|listener| listener.sibling(options));
                    self.seats.push(siblings.collect::<Result<_, _>>()?);
                }
                &self.seats[further]
            }
            _ => &self.listeners,
        };
        self.members.push(Member::start(&self.plan, sockets, ids, &mut self.desk)?);
        Ok(())
    }

    /// Takes note of the workers that have ended.
    fn reap(&mut self) -> Result<(), MasterError> {
        for (member, status) in take_ended(&mut self.members) {
            let (pid, how) = (member.pid(), crew::describe(status));
            if member.dismissed.is_some() || status.success() {
                tracing::info!("worker {pid} {how}");
                continue;
            }
            if let Some(failure) = boot_failure(pid, status)
                && !self.survives(&member, &failure)
            {
                return Err(failure);
            }
            let lived = member.started.elapsed();
            self.short_lives = if lived < crew::SHORT_LIFE { self.short_lives + 1 } else { 0 };
            let delay = restart_delay(self.short_lives);
            self.not_before = Instant::now() + delay;
            tracing::error!("worker {pid} {how} after {lived:.1?}; the next one starts in {delay:?}");
        }
        Ok(())
    }

    /// Whether the server goes on although a worker could not boot: a reload failed and the workers before it still
    /// serve, or somebody is at work on the code.
    fn survives(&mut self, member: &Member, failure: &MasterError) -> bool {
        if member.generation != self.generation {
            return true;
        }
        if self.plan.config.reload {
            tracing::error!("{failure}; waiting for a file to change");
            self.awaits_change = true;
            return true;
        }
        let Some((plan, generation)) = self.previous.take() else { return false };
        tracing::error!("{failure}; the reload is undone and the workers before it serve on");
        let now = Instant::now();
        let failed = self.generation;
        for member in self.members.iter_mut().filter(|member| member.generation == failed) {
            member.dismiss(now);
        }
        self.wanted = plan.config.workers;
        self.plan = plan;
        self.generation = generation;
        true
    }

    /// Kills workers that hang, and those that do not end although they were told to.
    fn look_at_all(&mut self) {
        let now = Instant::now();
        let config = &self.plan.config;
        for member in &mut self.members {
            let pid = member.pid();
            if let Some(aborted) = member.aborted {
                if now.duration_since(aborted) > TICK {
                    member.tell(Signal::KILL);
                }
                continue;
            }
            if let Condition::Hung(request) = member.check(now, config.timeout) {
                let request = request.as_deref().unwrap_or("no request");
                tracing::error!("WORKER TIMEOUT (pid:{pid}): silent for more than {:?}, in {request}", config.timeout);
                member.aborted = Some(now);
                member.tell(Signal::ABORT);
            }
            if member.dismissed.is_some_and(|since| now.duration_since(since) > config.graceful_timeout + PATIENCE) {
                tracing::warn!("killing worker {pid}, which did not end within {:?}", config.graceful_timeout);
                member.aborted = Some(now);
                member.tell(Signal::KILL);
            }
        }
    }

    /// Lets workers go that are too many, and after a reload those of before, once the new ones serve: until then
    /// there is always somebody to accept.
    fn retire(&mut self) {
        let now = Instant::now();
        let ready = self.current().filter(|member| member.ready).count();
        let is_taken_over = ready >= self.wanted;
        let generation = self.generation;
        let seats = self.wanted;
        for member in &mut self.members {
            let is_surplus = if member.generation == generation { member.seat >= seats } else { is_taken_over };
            if is_surplus {
                member.dismiss(now);
            }
        }
        // Nobody is to connect to where nobody accepts.
        self.seats.truncate(seats.saturating_sub(1));
        if is_taken_over && self.members.iter().all(|member| member.generation == generation) {
            self.previous = None;
        }
    }

    /// What is done from time to time.
    fn tick(&mut self) {
        self.next_tick = Instant::now() + TICK;
        if let Some(changed) = self.watch.as_mut().and_then(Watch::changed) {
            tracing::info!("{} was modified: replacing the workers", changed.display());
            self.awaits_change = false;
            self.next_generation();
        }
        if self.plan.config.statsd.as_ref().is_some_and(|statsd| statsd.backlog) {
            let waiting = self.listeners.iter().chain(self.seats.iter().flatten()).filter_map(Listener::waiting).sum();
            if let Some(statsd) = &self.desk.journal.borrow().statsd {
                statsd.backlog(waiting);
            }
        }
    }

    /// Tells statsd when the number of workers changes.
    fn count(&mut self) {
        let count = self.members.iter().filter(|member| member.dismissed.is_none()).count();
        if self.counted.replace(count) != Some(count)
            && let Some(statsd) = &self.desk.journal.borrow().statsd
        {
            statsd.workers(count);
        }
    }

    fn resize(&mut self, wanted: usize) {
        tracing::info!("{wanted} workers are wanted instead of {}", self.wanted);
        self.wanted = wanted;
    }

    fn next_generation(&mut self) {
        self.generation += 1;
        self.short_lives = 0;
        self.not_before = Instant::now();
    }

    fn reload(&mut self, surface: &mut dyn Surface) {
        tracing::info!("reloading the configuration");
        let Some((plan, journal)) = surface.reload() else { return };
        let old = &self.plan.config;
        let is_elsewhere = plan.config.bind != old.bind || socket_options(&plan.config) != socket_options(old);
        if is_elsewhere && !self.listen_elsewhere(&plan.config) {
            return;
        }
        *self.desk.journal.borrow_mut() = journal;
        self.watch = watch(&plan.config);
        self.wanted = plan.config.workers;
        let before = std::mem::replace(&mut self.plan, plan);
        // If there was a reload that has not been completed, the one before it is what can be gone back to.
        let generation = self.generation;
        if self.previous.is_none() && !is_elsewhere {
            self.previous = Some((before, generation));
        }
        self.next_generation();
    }

    /// Binds what is new, keeps what stays, and closes the rest; whether that was possible.
    fn listen_elsewhere(&mut self, config: &Config) -> bool {
        let options = socket_options(config);
        let before = &self.plan.config.bind;
        let is_same = socket_options(&self.plan.config) == options;
        let made: Result<Vec<Option<Listener>>, ListenError> = config
            .bind
            .iter()
            .map(|bind| if is_same && before.contains(bind) { Ok(None) } else { bind.listen(options).map(Some) })
            .collect();
        let made = match made {
            Ok(made) => made,
            Err(error) => {
                tracing::error!("{error}; the configuration stays as it was");
                return false;
            }
        };
        let mut old: Vec<_> = before.iter().cloned().zip(std::mem::take(&mut self.listeners)).collect();
        for (bind, new) in config.bind.iter().zip(made) {
            let kept = old.iter().position(|(before, _)| before == bind);
            let listener = new.or_else(|| kept.map(|at| old.remove(at).1));
            self.listeners.extend(listener);
        }
        self.seats.clear();
        old.into_iter().for_each(|(_, listener)| listener.close());
        let places: Vec<_> = self.listeners.iter().map(|listener| listener.url(config.tls.is_some())).collect();
        tracing::info!("Listening at: {} ({})", places.join(","), std::process::id());
        true
    }

    fn reopen(&mut self) {
        tracing::info!("opening the logs anew");
        let access = self.desk.journal.borrow_mut().reopen();
        for error in [access, self.desk.log.reopen()].into_iter().filter_map(Result::err) {
            tracing::error!("cannot open a log anew: {error}");
        }
    }

    /// Ends the workers, and kills those that have not ended in time. SIGINT and SIGQUIT make it quick at any time.
    async fn stop(&mut self, ending: Ending, signals: &mut Signals) {
        tracing::info!("stopping {} workers", self.members.len());
        // From here on nobody is to connect.
        let seats = std::mem::take(&mut self.seats).into_iter().flatten();
        std::mem::take(&mut self.listeners).into_iter().chain(seats).for_each(Listener::close);
        let deadline = Instant::now() + self.plan.config.graceful_timeout + PATIENCE;
        let signal = if ending == Ending::Graceful { Signal::TERM } else { Signal::QUIT };
        self.members.iter().for_each(|member| member.tell(signal));
        loop {
            take_ended(&mut self.members);
            if self.members.is_empty() {
                break;
            }
            tokio::select! {
                told = signals.next() => if told == Told::Quit {
                    self.members.iter().for_each(|member| member.tell(Signal::QUIT));
                },
                () = sleep_until(deadline) => {
                    tracing::warn!("killing {} workers that did not end in time", self.members.len());
                    self.members.iter_mut().for_each(Member::kill);
                    self.members.clear();
                }
            }
        }
        // What they have reported last is still to be written down; a process they have left behind may never end.
        for reader in self.desk.readers.drain(..) {
            let _ = timeout(PATIENCE, reader).await;
        }
    }
}

fn boot_failure(pid: u32, status: ExitStatus) -> Option<MasterError> {
    let code = u8::try_from(status.code()?).ok()?;
    match code {
        BOOT_ERROR => Some(MasterError::Boot(pid)),
        APP_LOAD_ERROR => Some(MasterError::AppLoad(pid)),
        _ => None,
    }
}

/// How the sockets of a configuration are made.
#[must_use]
pub fn socket_options(config: &Config) -> SocketOptions {
    SocketOptions {
        backlog: config.backlog,
        reuse_port: config.reuse_port,
        umask: config.process.umask,
        owner: (config.process.user, config.process.group),
    }
}

fn watch(config: &Config) -> Option<Watch> {
    config.reload.then(|| Watch::new(crew::code_folders(config), &config.reload_extra_files, &config.chdir))
}
