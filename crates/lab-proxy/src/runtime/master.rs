//! The process: opens what the workers share, starts them, and listens to signals. A reload starts new workers on the
//! same sockets before it has the old ones quit, so that no connection is refused and no request is lost.

use std::io;

use lab_net::pid_file::{PidFile, PidFileError};
use tokio::signal;
use tokio::signal::unix::SignalKind;
use tokio::sync::mpsc;

use crate::config::Config;
use crate::config::logs::Severity;
use crate::logging::OpenError;
use crate::runtime::generation::{Generation, Opened};
use crate::runtime::sockets::SocketError;
use crate::runtime::worker::Phase;

/// Why the proxy did not run, or stopped by itself.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A log cannot be written.
    #[error(transparent)]
    Log(#[from] OpenError),
    /// An address cannot be listened on.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// The pid file cannot be written.
    #[error(transparent)]
    PidFile(#[from] PidFileError),
    /// What every program gets from the system was refused: a thread, signals, a poll of sockets.
    #[error("cannot start: {0}")]
    System(#[from] io::Error),
    /// A worker ended though nobody had told it to.
    #[error("a worker ended unexpectedly")]
    Worker,
}

/// Runs the proxy until a signal ends it: SIGTERM and SIGINT at once, SIGQUIT when what has begun is finished. SIGHUP
/// has it `reread` its configuration, SIGUSR1 opens its logs anew.
///
/// `inherited` is the value of [`crate::runtime::sockets::INHERITED`] in the environment. With `daemon on` the present process ends here
/// with status 0, once nothing is left that could fail to be opened.
///
/// # Errors
/// Something that is needed cannot be had. Nothing has been accepted then.
pub fn run(settings: Config, reread: &Reread<'_>, inherited: Option<&str>) -> Result<(), RunError> {
    let mut opened = None;
    // as nginx: one that took over from another is where it belongs already
    if settings.process.is_daemon && inherited.is_none() {
        opened = Some(Opened::new(&settings, &[], None)?);
        go_to_the_background()?;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let _context = runtime.enter();
    // from here on a signal ends the proxy in order, whatever it is doing
    let mut signals = Signals::new()?;
    let opened = opened.map_or_else(|| Opened::new(&settings, &[], inherited), Ok)?;
    let pid = settings.process.pid.as_deref().map(PidFile::overwrite).transpose()?;
    let (ended, mut endings) = mpsc::unbounded_channel();
    let mut master =
        Master { present: Generation::start(settings, &opened, &ended)?, opened, former: Vec::new(), pid, ended };
    master.log(Severity::Notice, "start worker threads");
    let was_told = runtime.block_on(async {
        let mut was_told = false;
        while master.lives() {
            tokio::select! {
                told = signals.next() => match told {
                    Told::End(phase) => {
                        was_told = true;
                        master.end(phase);
                    }
                    Told::Reload if was_told => {}
                    Told::Reload => master.reload(reread),
                    Told::Reopen => master.reopen_logs(),
                },
                Some(serial) = endings.recv() => {
                    if !master.has_ended(serial) {
                        // one that ends by itself is broken; serving on with the others would hide it
                        master.end(Phase::Stop);
                    }
                }
            }
        }
        was_told
    });
    master.join()?;
    if was_told { Ok(()) } else { Err(RunError::Worker) }
}

/// Reads the configuration once more. Its error is what the log is told.
pub type Reread<'a> = dyn Fn() -> Result<Config, String> + 'a;

/// The process, its present workers and those that finish what they had begun.
struct Master {
    opened: Opened,
    present: Generation,
    former: Vec<Generation>,
    pid: Option<PidFile>,
    ended: mpsc::UnboundedSender<usize>,
}

impl Master {
    fn log(&self, severity: Severity, message: &str) {
        self.opened.logs.error(&self.present.settings.process.error_log, severity, message, None);
    }

    fn lives(&self) -> bool {
        self.present.running > 0 || self.former.iter().any(|generation| generation.running > 0)
    }

    fn end(&mut self, phase: Phase) {
        // nobody is to be kept waiting for somebody who does not come
        self.opened.sockets.clear();
        self.former.iter().chain([&self.present]).for_each(|generation| generation.tell(phase));
    }

    /// Takes note that a worker has ended; whether it was told to.
    fn has_ended(&mut self, serial: usize) -> bool {
        let was_told = {
            let mut generations = self.former.iter_mut().chain([&mut self.present]);
            let Some(generation) = generations.find(|generation| generation.serial == serial) else { return true };
            generation.running -= 1;
            *generation.phase.borrow() > Phase::Serve
        };
        // what has ended in order needs no more attention
        self.former.retain(|generation| generation.running > 0);
        was_told
    }

    /// New workers with a new configuration; the present ones finish what they have begun. If anything about it is
    /// wrong, all stays as it is.
    fn reload(&mut self, reread: &Reread<'_>) {
        self.log(Severity::Notice, "signal 1 (SIGHUP) received, reconfiguring");
        let reloaded = reread().and_then(|settings| self.replace(settings).map_err(|error| error.to_string()));
        match reloaded {
            Ok(()) => self.log(Severity::Notice, "start worker threads"),
            Err(message) => self.log(Severity::Emerg, &message),
        }
    }

    fn replace(&mut self, settings: Config) -> Result<(), RunError> {
        let opened = Opened::new(&settings, &self.opened.sockets, None)?;
        let path = settings.process.pid.as_deref();
        let pid = match path.filter(|path| self.pid.as_ref().is_none_or(|pid| pid.path() != *path)) {
            Some(path) => Some(PidFile::overwrite(path)?),
            None => None,
        };
        let keeps_pid = pid.is_none() && path.is_some();
        let next = Generation::start(settings, &opened, &self.ended)?;
        if !keeps_pid {
            self.pid = pid;
        }
        let former = std::mem::replace(&mut self.present, next);
        former.tell(Phase::Quit);
        self.former.push(former);
        self.opened = opened;
        Ok(())
    }

    fn reopen_logs(&self) {
        self.log(Severity::Notice, "signal 10 (SIGUSR1) received, reopening logs");
        for error in self.opened.logs.reopen() {
            self.log(Severity::Emerg, &error.to_string());
        }
    }

    fn join(self) -> Result<(), RunError> {
        for thread in self.former.into_iter().chain([self.present]).flat_map(|generation| generation.threads) {
            thread.join().map_err(|_| RunError::Worker)??;
        }
        Ok(())
    }
}

/// What a signal says.
enum Told {
    End(Phase),
    Reload,
    Reopen,
}

struct Signals {
    terminate: signal::unix::Signal,
    interrupt: signal::unix::Signal,
    quit: signal::unix::Signal,
    hangup: signal::unix::Signal,
    user1: signal::unix::Signal,
}

impl Signals {
    fn new() -> io::Result<Signals> {
        let signal = signal::unix::signal;
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
            hangup: signal(SignalKind::hangup())?,
            user1: signal(SignalKind::user_defined1())?,
        })
    }

    async fn next(&mut self) -> Told {
        tokio::select! {
            _ = self.terminate.recv() => Told::End(Phase::Stop),
            _ = self.interrupt.recv() => Told::End(Phase::Stop),
            _ = self.quit.recv() => Told::End(Phase::Quit),
            _ = self.hangup.recv() => Told::Reload,
            _ = self.user1.recv() => Told::Reopen,
        }
    }
}

/// Leaves the terminal and whoever started the proxy. Standard error stays, for what is wrong later, as in nginx.
fn go_to_the_background() -> io::Result<()> {
    nix::unistd::daemon(true, true)?;
    let null = std::fs::OpenOptions::new().read(true).write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdin(&null)?;
    rustix::stdio::dup2_stdout(&null)?;
    Ok(())
}
