//! The master: opens what the workers share, starts them, and obeys signals. A reload starts new workers on the same
//! sockets before the old ones quit, so no connection is refused and no request is lost.

use std::io;

use lab_net::pid_file::PidFile;
use tokio::sync::mpsc;

use crate::config::Config;
use crate::config::logs::Severity;
use crate::runtime::error::RunError;
use crate::runtime::generation::{Generation, Opened};
use crate::runtime::signals::{SignalEvent, Signals};
use crate::runtime::worker::Phase;

/// Runs the proxy until a signal ends it: SIGTERM and SIGINT at once, SIGQUIT after the requests in progress. SIGHUP
/// reloads the configuration with `reread`; SIGUSR1 reopens the logs.
///
/// `inherited` is the value of [`INHERITED`](crate::runtime::sockets::INHERITED) in the environment. With `daemon on` the
/// calling process exits with status 0 once everything is open.
///
/// # Errors
/// A log, an address or the pid file cannot be opened; nothing was accepted.
pub fn run(settings: Config, reread: &Reread<'_>, inherited: Option<&str>) -> Result<(), RunError> {
    let mut opened = None;
    // as nginx: a process that inherited its sockets is in the background already
    if settings.process.is_daemon && inherited.is_none() {
        opened = Some(Opened::new(&settings, &[], None)?);
        go_to_the_background()?;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let _context = runtime.enter();
    // from here on a signal ends the proxy in order
    let mut signals = Signals::new()?;
    let opened = opened.map_or_else(|| Opened::new(&settings, &[], inherited), Ok)?;
    let pid = settings.process.pid.as_deref().map(PidFile::overwrite).transpose()?;
    let (ended, mut endings) = mpsc::unbounded_channel();
    let mut master =
        Master { present: Generation::start(settings, &opened, &ended)?, opened, former: Vec::new(), pid, ended };
    master.log(Severity::Notice, "start worker threads");
    let is_stopping = runtime.block_on(async {
        let mut is_stopping = false;
        while master.lives() {
            tokio::select! {
                event = signals.next() => match event {
                    SignalEvent::End(phase) => {
                        is_stopping = true;
                        master.end(phase);
                    }
                    SignalEvent::Reload if is_stopping => {}
                    SignalEvent::Reload => master.reload(reread),
                    SignalEvent::Reopen => master.reopen_logs(),
                },
                Some(serial) = endings.recv() => {
                    if !master.has_ended(serial) {
                        // A worker that ends without a signal is a bug: stop, rather than hide it.
                        master.end(Phase::Stop);
                    }
                }
            }
        }
        is_stopping
    });
    master.join()?;
    if is_stopping { Ok(()) } else { Err(RunError::Worker) }
}

/// Reads the configuration again. The error is a line for the log.
pub type Reread<'a> = dyn Fn() -> Result<Config, String> + 'a;

/// The current workers, and those of earlier configurations that finish their requests.
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
        // close the listeners first: no client may wait for a worker that is gone
        self.opened.sockets.clear();
        self.former.iter().chain([&self.present]).for_each(|generation| generation.tell(phase));
    }

    /// Records the end of a worker. Returns whether it was expected.
    fn has_ended(&mut self, serial: usize) -> bool {
        let is_stopping = {
            let mut generations = self.former.iter_mut().chain([&mut self.present]);
            let Some(generation) = generations.find(|generation| generation.serial == serial) else { return true };
            generation.running -= 1;
            *generation.phase.borrow() > Phase::Serve
        };
        // a generation without workers is done
        self.former.retain(|generation| generation.running > 0);
        is_stopping
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

/// Detaches from the terminal. Standard error stays open for later messages, as in nginx.
fn go_to_the_background() -> io::Result<()> {
    nix::unistd::daemon(true, true)?;
    let null = std::fs::OpenOptions::new().read(true).write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdin(&null)?;
    rustix::stdio::dup2_stdout(&null)?;
    Ok(())
}
