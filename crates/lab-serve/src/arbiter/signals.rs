//! The signals an arbiter handles (gunicorn: "Signal Handling").

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// What a signal asks the arbiter to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SignalEvent {
    /// SIGCHLD: a worker has ended.
    ChildExited,
    /// SIGTERM: end when the requests in progress are complete.
    GracefulStop,
    /// SIGINT, SIGQUIT: end at once.
    QuickStop,
    /// SIGHUP: reload the configuration and replace all workers.
    Reload,
    /// SIGTTIN: add a worker.
    AddWorker,
    /// SIGTTOU: remove a worker.
    RemoveWorker,
    /// SIGUSR1: reopen the log files.
    ReopenLogs,
    /// SIGUSR2: start a new arbiter with the same listeners.
    Upgrade,
    /// SIGWINCH: end the workers, but not the arbiter.
    StopWorkers,
}

pub(super) struct Signals {
    child: Signal,
    terminate: Signal,
    interrupt: Signal,
    quit: Signal,
    hangup: Signal,
    ttin: Signal,
    ttou: Signal,
    user1: Signal,
    user2: Signal,
    window: Signal,
}

impl Signals {
    /// Installs the handlers. From now on these signals have no other effect on the process.
    pub(super) fn new() -> io::Result<Signals> {
        let number = |signal: rustix::process::Signal| SignalKind::from_raw(signal.as_raw());
        Ok(Signals {
            child: signal(SignalKind::child())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
            hangup: signal(SignalKind::hangup())?,
            ttin: signal(number(rustix::process::Signal::TTIN))?,
            ttou: signal(number(rustix::process::Signal::TTOU))?,
            user1: signal(SignalKind::user_defined1())?,
            user2: signal(SignalKind::user_defined2())?,
            window: signal(SignalKind::window_change())?,
        })
    }

    /// Waits for the next signal.
    pub(super) async fn next(&mut self) -> SignalEvent {
        tokio::select! {
            _ = self.interrupt.recv() => SignalEvent::QuickStop,
            _ = self.quit.recv() => SignalEvent::QuickStop,
            _ = self.terminate.recv() => SignalEvent::GracefulStop,
            _ = self.child.recv() => SignalEvent::ChildExited,
            _ = self.hangup.recv() => SignalEvent::Reload,
            _ = self.ttin.recv() => SignalEvent::AddWorker,
            _ = self.ttou.recv() => SignalEvent::RemoveWorker,
            _ = self.user1.recv() => SignalEvent::ReopenLogs,
            _ = self.user2.recv() => SignalEvent::Upgrade,
            _ = self.window.recv() => SignalEvent::StopWorkers,
        }
    }
}
