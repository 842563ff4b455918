//! The master: starts workers around one listening socket, replaces those that die, and ends them (gunicorn's arbiter).
//!
//! It serves nothing itself, so that nothing a request does can bring it down.

use std::io;
use std::net::TcpListener;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::signal::unix::{Signal as SignalStream, SignalKind, signal};
use tokio::time::{Instant, sleep_until};

use super::listen;

/// The exit code by which a worker says that it could not boot, and the master after it (gunicorn's
/// `WORKER_BOOT_ERROR`). Starting it again would not help.
pub const BOOT_ERROR: u8 = 3;

/// A worker that lives shorter than this has not done its work, and is replaced with a delay.
const SHORT_LIFE: Duration = Duration::from_secs(1);
/// The delay after one short life; every further one doubles it.
const FIRST_DELAY: Duration = Duration::from_millis(100);
/// The longest delay.
const LONGEST_DELAY: Duration = Duration::from_secs(5);
/// How much longer than its workers the master waits for them.
const PATIENCE: Duration = Duration::from_secs(1);

/// How the master treats its workers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MasterSettings {
    /// How many there are (gunicorn's `workers`).
    pub workers: u16,
    /// How long they get to end in-flight requests in (gunicorn's `graceful_timeout`).
    pub graceful_timeout: Duration,
}

/// Why the master ended other than by a signal.
#[derive(Debug, thiserror::Error)]
pub enum MasterError {
    /// A worker said that it cannot boot.
    #[error("worker {0} failed to boot")]
    Boot(u32),
    /// A worker could not even be started.
    #[error("cannot start a worker: {0}")]
    Start(io::Error),
    /// The system refused something else.
    #[error("cannot watch over the workers: {0}")]
    Io(io::Error),
}

/// Runs until SIGTERM (graceful), SIGINT or SIGQUIT (quick), from the main thread: see
/// [`die_with`](lab_server::worker::die_with). `worker` is the command that starts one; it gets the listening socket as its
/// standard input.
pub fn run(listener: TcpListener, settings: MasterSettings, worker: impl Fn() -> Command) -> Result<(), MasterError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(MasterError::Io)?;
    runtime.block_on(async {
        let mut signals = Signals::new().map_err(MasterError::Io)?;
        let mut crew = Crew { listener, worker, members: Vec::new(), short_lives: 0, not_before: Instant::now() };
        let ended = watch_over(&mut crew, settings.workers, &mut signals).await;
        let Crew { listener, mut members, .. } = crew;
        // From here on nobody is to connect.
        drop(listener);
        let ending = ended.as_ref().copied().unwrap_or(Ending::Quick);
        tracing::info!("stopping {} workers", members.len());
        stop(&mut members, ending, settings.graceful_timeout, &mut signals).await;
        ended.map(|_| ())
    })
}

/// How the workers are told to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    Graceful,
    Quick,
}

struct Signals {
    child: SignalStream,
    terminate: SignalStream,
    interrupt: SignalStream,
    quit: SignalStream,
}

impl Signals {
    fn new() -> io::Result<Signals> {
        Ok(Signals {
            child: signal(SignalKind::child())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
        })
    }

    /// Waits until a worker has ended (None) or the master is told to end.
    async fn next(&mut self) -> Option<Ending> {
        tokio::select! {
            _ = self.child.recv() => None,
            _ = self.terminate.recv() => Some(Ending::Graceful),
            _ = self.interrupt.recv() => Some(Ending::Quick),
            _ = self.quit.recv() => Some(Ending::Quick),
        }
    }
}

/// The workers and what is needed to start one.
struct Crew<C> {
    listener: TcpListener,
    worker: C,
    members: Vec<Member>,
    /// Short lives in a row.
    short_lives: u32,
    /// When the next worker may be started.
    not_before: Instant,
}

struct Member {
    process: Child,
    started: Instant,
}

impl<C: Fn() -> Command> Crew<C> {
    fn start_one(&mut self) -> Result<(), MasterError> {
        let stdin = listen::hand_over(&self.listener).map_err(MasterError::Start)?;
        let process = (self.worker)().stdin(stdin).spawn().map_err(MasterError::Start)?;
        tracing::info!("started worker {}", process.id());
        self.members.push(Member { process, started: Instant::now() });
        Ok(())
    }

    /// Takes note of the workers that have ended.
    fn reap(&mut self) -> Result<(), MasterError> {
        for (member, status) in take_ended(&mut self.members) {
            let pid = member.process.id();
            if status.code() == Some(i32::from(BOOT_ERROR)) {
                return Err(MasterError::Boot(pid));
            }
            let lived = member.started.elapsed();
            self.short_lives = if lived < SHORT_LIFE { self.short_lives + 1 } else { 0 };
            let delay = restart_delay(self.short_lives);
            self.not_before = Instant::now() + delay;
            let how = describe(status);
            tracing::error!("worker {pid} {how} after {lived:.1?}; the next one starts in {delay:?}");
        }
        Ok(())
    }
}

/// Keeps up the number of workers until told to end.
async fn watch_over<C: Fn() -> Command>(
    crew: &mut Crew<C>,
    workers: u16,
    signals: &mut Signals,
) -> Result<Ending, MasterError> {
    loop {
        crew.reap()?;
        let is_short = crew.members.len() < usize::from(workers);
        if is_short && Instant::now() >= crew.not_before {
            crew.start_one()?;
            continue;
        }
        tokio::select! {
            told = signals.next() => if let Some(ending) = told {
                return Ok(ending);
            },
            () = sleep_until(crew.not_before), if is_short => {}
        }
    }
}

/// Ends the workers, and kills those that have not ended in time. SIGINT and SIGQUIT make it quick at any time.
async fn stop(members: &mut Vec<Member>, ending: Ending, graceful_timeout: Duration, signals: &mut Signals) {
    let deadline = Instant::now() + graceful_timeout + PATIENCE;
    tell(members, if ending == Ending::Graceful { Signal::TERM } else { Signal::QUIT });
    loop {
        take_ended(members);
        if members.is_empty() {
            return;
        }
        tokio::select! {
            told = signals.next() => if told == Some(Ending::Quick) {
                tell(members, Signal::QUIT);
            },
            () = sleep_until(deadline) => break,
        }
    }
    tracing::warn!("killing {} workers that did not end in time", members.len());
    for member in members {
        // A process that has just ended can neither be killed nor needs to be.
        let _ = member.process.kill();
        let _ = member.process.wait();
    }
}

/// Sends a signal to every worker. None has been waited for, so that none of the numbers can be another process's.
fn tell(members: &[Member], signal: Signal) {
    for member in members {
        // A process that has just ended does not need to be told.
        let _ = kill_process(Pid::from_child(&member.process), signal);
    }
}

/// Removes the workers that have ended, with how they did.
fn take_ended(members: &mut Vec<Member>) -> Vec<(Member, ExitStatus)> {
    let (mut ended, mut alive) = (Vec::new(), Vec::new());
    for mut member in members.drain(..) {
        match member.process.try_wait() {
            Ok(Some(status)) => ended.push((member, status)),
            _ => alive.push(member),
        }
    }
    *members = alive;
    ended
}

/// How long to wait before a worker is replaced, after so many short lives in a row: against restart storms.
fn restart_delay(short_lives: u32) -> Duration {
    match short_lives {
        0 => Duration::ZERO,
        lives => FIRST_DELAY.saturating_mul(1 << (lives - 1).min(10)).min(LONGEST_DELAY),
    }
}

fn describe(status: ExitStatus) -> String {
    match (status.signal(), status.code()) {
        (Some(signal), _) => format!("was ended by signal {signal}"),
        (None, code) => format!("exited with code {}", code.unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A crew whose one worker does nothing but exit with `code`, and has done so.
    fn crew_of_one(code: u8) -> Crew<impl Fn() -> Command> {
        let worker = move || {
            let mut command = Command::new("sh");
            command.args(["-c", &format!("exit {code}")]);
            command
        };
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut crew = Crew { listener, worker, members: Vec::new(), short_lives: 0, not_before: Instant::now() };
        crew.start_one().unwrap();
        crew.members[0].process.wait().unwrap();
        crew
    }

    #[test]
    fn a_worker_that_cannot_boot_is_not_started_again() {
        let mut crew = crew_of_one(BOOT_ERROR);
        let pid = crew.members[0].process.id();
        assert!(matches!(crew.reap(), Err(MasterError::Boot(failed)) if failed == pid));
    }

    #[test]
    fn a_worker_that_lives_shortly_is_replaced_later() {
        let mut crew = crew_of_one(1);
        crew.reap().unwrap();
        assert_eq!((crew.members.len(), crew.short_lives), (0, 1));
        assert!(crew.not_before > Instant::now());
    }

    #[test]
    fn short_lives_slow_restarts_down() {
        let millis: Vec<_> = (0..9).map(|lives| restart_delay(lives).as_millis()).collect();
        assert_eq!(millis, [0, 100, 200, 400, 800, 1600, 3200, 5000, 5000]);
        assert_eq!(restart_delay(u32::MAX), LONGEST_DELAY);
    }
}
