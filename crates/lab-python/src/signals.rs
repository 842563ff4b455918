//! Announces a shutdown on signals. CPython catches the signals and writes their numbers to a socket
//! (`signal.set_wakeup_fd`): they interrupt the application as Python programs expect, and wake the event loop as well.
//! No Python.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use lab_worker::ShutdownState;
use rustix::process::Signal;
use tokio::io::AsyncReadExt;
use tokio::sync::watch;
use tokio::task::spawn_local;

/// Reads signal numbers from `signals` (gunicorn: "Signal Handling").
pub(crate) fn announce_shutdown(signals: OwnedFd, to: watch::Sender<ShutdownState>) -> io::Result<()> {
    let signals = UnixStream::from(signals);
    signals.set_nonblocking(true)?;
    let mut signals = tokio::net::UnixStream::from_std(signals)?;
    spawn_local(async move {
        while let Ok(number) = signals.read_u8().await {
            match Signal::from_named_raw(i32::from(number)) {
                Some(Signal::TERM) => ShutdownState::Graceful.announce(&to),
                Some(Signal::INT | Signal::QUIT | Signal::ABORT) => ShutdownState::Immediate.announce(&to),
                _ => {}
            }
        }
    });
    Ok(())
}
