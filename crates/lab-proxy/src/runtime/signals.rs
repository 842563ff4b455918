//! The signals of a running proxy, as in nginx ("Controlling nginx").

use std::io;

use tokio::signal;
use tokio::signal::unix::SignalKind;

use crate::runtime::worker::WorkerCommand;

/// What a signal requests.
pub(crate) enum SignalEvent {
    End(WorkerCommand),
    Reload,
    Reopen,
}

pub(crate) struct Signals {
    terminate: signal::unix::Signal,
    interrupt: signal::unix::Signal,
    quit: signal::unix::Signal,
    hangup: signal::unix::Signal,
    user1: signal::unix::Signal,
}

impl Signals {
    pub(crate) fn new() -> io::Result<Signals> {
        let signal = signal::unix::signal;
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
            hangup: signal(SignalKind::hangup())?,
            user1: signal(SignalKind::user_defined1())?,
        })
    }

    pub(crate) async fn next(&mut self) -> SignalEvent {
        tokio::select! {
            _ = self.terminate.recv() => SignalEvent::End(WorkerCommand::Stop),
            _ = self.interrupt.recv() => SignalEvent::End(WorkerCommand::Stop),
            _ = self.quit.recv() => SignalEvent::End(WorkerCommand::Quit),
            _ = self.hangup.recv() => SignalEvent::Reload,
            _ = self.user1.recv() => SignalEvent::Reopen,
        }
    }
}
