//! Signals as orders. CPython catches them and writes their numbers to a socket (`signal.set_wakeup_fd`), so that they
//! interrupt the application as Python programs expect it, and wake the loop as well. No Python.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use lab_worker::Order;
use rustix::process::Signal;
use tokio::io::AsyncReadExt;
use tokio::sync::watch;
use tokio::task::spawn_local;

/// Gives the orders that signals stand for (gunicorn: "Signal Handling").
pub(crate) fn obey(signals: OwnedFd, to: watch::Sender<Order>) -> io::Result<()> {
    let signals = UnixStream::from(signals);
    signals.set_nonblocking(true)?;
    let mut signals = tokio::net::UnixStream::from_std(signals)?;
    spawn_local(async move {
        while let Ok(number) = signals.read_u8().await {
            match Signal::from_named_raw(i32::from(number)) {
                Some(Signal::TERM) => Order::Finish.give(&to),
                Some(Signal::INT | Signal::QUIT | Signal::ABORT) => Order::Quit.give(&to),
                _ => {}
            }
        }
    });
    Ok(())
}
