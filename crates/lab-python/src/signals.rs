//! Announces a shutdown on signals. CPython catches the signals and writes their numbers to a socket
//! (`signal.set_wakeup_fd`): they interrupt the application as Python programs expect, and wake the event loop as well.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use lab_worker::ShutdownState;
use pyo3::prelude::*;
use rustix::process::Signal;
use tokio::io::AsyncReadExt;
use tokio::sync::watch;
use tokio::task::spawn_local;

use crate::error_log;

/// Reads signal numbers from `signals` (gunicorn: "Signal Handling").
pub(crate) fn announce_shutdown(signals: OwnedFd, to: watch::Sender<ShutdownState>) -> io::Result<()> {
    let signals = UnixStream::from(signals);
    signals.set_nonblocking(true)?;
    let mut signals = tokio::net::UnixStream::from_std(signals)?;
    spawn_local(async move {
        while let Ok(number) = signals.read_u8().await {
            match Signal::from_named_raw(i32::from(number)) {
                Some(Signal::TERM) => ShutdownState::Graceful.announce(&to),
                Some(Signal::ABORT) => ShutdownState::Aborted.announce(&to),
                Some(Signal::INT | Signal::QUIT) => ShutdownState::Immediate.announce(&to),
                // Python's handler, which reopens the logs, waits for the interpreter.
                Some(Signal::USR1) => Python::attach(|py| {
                    if let Err(error) = py.check_signals() {
                        error_log::exception(py, "the handler of SIGUSR1 raised", &error);
                    }
                }),
                _ => {}
            }
        }
    });
    Ok(())
}
