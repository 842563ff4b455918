//! What a master is told by signals (gunicorn: "Signal Handling").

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// What a signal means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    /// SIGCHLD: a worker has ended.
    Child,
    /// SIGTERM: end when requests in flight are answered.
    Finish,
    /// SIGINT, SIGQUIT: end at once.
    Quit,
    /// SIGHUP: read the configuration again and replace all workers.
    Reload,
    /// SIGTTIN: one worker more.
    More,
    /// SIGTTOU: one worker less.
    Less,
    /// SIGUSR1: open the logs anew.
    Reopen,
    /// SIGUSR2, SIGWINCH: gunicorn's upgrade of a running server, which lab does not have.
    Upgrade(&'static str),
}

/// The signals.
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
    /// From now on, signals are told and do nothing else.
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

    /// Waits for the next one.
    pub(super) async fn next(&mut self) -> Told {
        tokio::select! {
            _ = self.interrupt.recv() => Told::Quit,
            _ = self.quit.recv() => Told::Quit,
            _ = self.terminate.recv() => Told::Finish,
            _ = self.child.recv() => Told::Child,
            _ = self.hangup.recv() => Told::Reload,
            _ = self.ttin.recv() => Told::More,
            _ = self.ttou.recv() => Told::Less,
            _ = self.user1.recv() => Told::Reopen,
            _ = self.user2.recv() => Told::Upgrade("SIGUSR2"),
            _ = self.window.recv() => Told::Upgrade("SIGWINCH"),
        }
    }
}
