//! The master: opens the shared logs and sockets, starts the workers, and handles signals. A reload starts new workers
//! on the same sockets before the old ones quit, so no connection is refused and no request is lost.

use std::io;

use lab_net::pid_file::PidFile;
use tokio::sync::mpsc;

use crate::config::Config;
use crate::config::logs::Severity;
use crate::runtime::error::RunError;
use crate::runtime::generation::{Generation, Resources};
use crate::runtime::signals::{SignalEvent, Signals};
use crate::runtime::worker::WorkerCommand;
use crate::tls::TlsContexts;

/// Runs the proxy until a signal ends it: SIGTERM and SIGINT at once, SIGQUIT after the requests in progress. SIGHUP
/// reloads the configuration with `read_config`; SIGUSR1 reopens the logs.
///
/// `inherited` is the value of [`INHERITED`](crate::runtime::sockets::INHERITED) in the environment. With `daemon on` the
/// calling process exits with status 0 when everything is open.
///
/// # Errors
/// A log, an address or the pid file cannot be opened; nothing was accepted.
pub fn run(config: Config, read_config: &ReadConfig<'_>, inherited: Option<&str>) -> Result<(), RunError> {
    let mut resources = None;
    // as in nginx: a process that inherited its sockets is in the background already
    if config.process.is_daemon && inherited.is_none() {
        resources = Some(Resources::new(&config, &[], None)?);
        daemonize()?;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let _context = runtime.enter();
    // from here on a signal ends the proxy gracefully
    let mut signals = Signals::new()?;
    let resources = resources.map_or_else(|| Resources::new(&config, &[], inherited), Ok)?;
    let pid = config.process.pid.as_deref().map(PidFile::overwrite).transpose()?;
    let (ended, mut endings) = mpsc::unbounded_channel();
    let current = Generation::start(config, &resources, &ended)?;
    let mut master = Master { resources, current, retiring: Vec::new(), pid, ended };
    master.log_tls_warnings(&master.resources.tls);
    master.log(Severity::Notice, "start worker threads");
    let is_stopping = runtime.block_on(async {
        let mut is_stopping = false;
        while master.is_running() {
            tokio::select! {
                event = signals.next() => match event {
                    SignalEvent::End(command) => {
                        is_stopping = true;
                        master.end(command);
                    }
                    SignalEvent::Reload if is_stopping => {}
                    SignalEvent::Reload => master.reload(read_config),
                    SignalEvent::Reopen => master.reopen_logs(),
                },
                Some(serial) = endings.recv() => {
                    if !master.record_end(serial) {
                        // A worker that ends without a signal is a bug: stop, rather than hide it.
                        master.end(WorkerCommand::Stop);
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
pub type ReadConfig<'a> = dyn Fn() -> Result<Config, String> + 'a;

struct Master {
    resources: Resources,
    current: Generation,
    /// Workers of earlier configurations that finish their requests.
    retiring: Vec<Generation>,
    pid: Option<PidFile>,
    ended: mpsc::UnboundedSender<usize>,
}

impl Master {
    fn log(&self, severity: Severity, message: &str) {
        self.resources.logs.error(&self.current.config.process.error_log, severity, message, None);
    }

    fn log_tls_warnings(&self, contexts: &TlsContexts) {
        contexts.warnings().iter().for_each(|warning| self.log(Severity::Warn, warning));
    }

    fn is_running(&self) -> bool {
        self.current.running > 0 || self.retiring.iter().any(|generation| generation.running > 0)
    }

    fn end(&mut self, command: WorkerCommand) {
        // close the listeners first, so that no client waits for a worker that has ended
        self.resources.sockets.clear();
        self.retiring.iter().chain([&self.current]).for_each(|generation| generation.send(command));
    }

    /// Records the end of a worker. False if no command ended it.
    fn record_end(&mut self, serial: usize) -> bool {
        let is_stopping = {
            let mut generations = self.retiring.iter_mut().chain([&mut self.current]);
            let Some(generation) = generations.find(|generation| generation.serial == serial) else { return true };
            generation.running -= 1;
            *generation.command.borrow() > WorkerCommand::Serve
        };
        self.retiring.retain(|generation| generation.running > 0);
        is_stopping
    }

    /// Starts workers with a new configuration; the current ones finish their requests. After an error nothing changes.
    fn reload(&mut self, read_config: &ReadConfig<'_>) {
        self.log(Severity::Notice, "signal 1 (SIGHUP) received, reconfiguring");
        let reloaded = read_config().and_then(|config| self.replace(config).map_err(|error| error.to_string()));
        match reloaded {
            Ok(()) => self.log(Severity::Notice, "start worker threads"),
            Err(message) => self.log(Severity::Emerg, &message),
        }
    }

    fn replace(&mut self, config: Config) -> Result<(), RunError> {
        config.warnings.iter().for_each(|warning| self.log(Severity::Warn, warning));
        let resources = Resources::new(&config, &self.resources.sockets, None)?;
        self.log_tls_warnings(&resources.tls);
        let path = config.process.pid.as_deref();
        let pid = match path.filter(|path| self.pid.as_ref().is_none_or(|pid| pid.path() != *path)) {
            Some(path) => Some(PidFile::overwrite(path)?),
            None => None,
        };
        let keeps_pid = pid.is_none() && path.is_some();
        let next = Generation::start(config, &resources, &self.ended)?;
        if !keeps_pid {
            self.pid = pid;
        }
        let former = std::mem::replace(&mut self.current, next);
        former.send(WorkerCommand::Quit);
        self.retiring.push(former);
        self.resources = resources;
        Ok(())
    }

    fn reopen_logs(&self) {
        self.log(Severity::Notice, "signal 10 (SIGUSR1) received, reopening logs");
        for error in self.resources.logs.reopen() {
            self.log(Severity::Emerg, &error.to_string());
        }
    }

    fn join(self) -> Result<(), RunError> {
        for thread in self.retiring.into_iter().chain([self.current]).flat_map(|generation| generation.threads) {
            thread.join().map_err(|_| RunError::Worker)??;
        }
        Ok(())
    }
}

/// Detaches from the terminal. Standard error stays open for later messages, as in nginx.
fn daemonize() -> io::Result<()> {
    nix::unistd::daemon(true, true)?;
    let null = std::fs::OpenOptions::new().read(true).write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdin(&null)?;
    rustix::stdio::dup2_stdout(&null)?;
    Ok(())
}
