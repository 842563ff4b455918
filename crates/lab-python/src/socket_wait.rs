//! Blocks a thread until a socket is ready, with heartbeats for the arbiter. No Python.

use std::io;
use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::scoreboard;

/// How long to wait between two heartbeats.
const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(1);

static WAITING_THREADS: AtomicUsize = AtomicUsize::new(0);

/// Whether a thread is waiting for a socket.
pub(crate) fn has_waiting_threads() -> bool {
    WAITING_THREADS.load(Ordering::Acquire) > 0
}

/// Waits until the socket is ready. Returns false if it is not within `timeout`. Call it detached from the interpreter.
pub(crate) fn wait_for(socket: BorrowedFd<'_>, flags: PollFlags, timeout: Duration) -> io::Result<bool> {
    WAITING_THREADS.fetch_add(1, Ordering::AcqRel);
    let ready = poll_until(socket, flags, timeout);
    WAITING_THREADS.fetch_sub(1, Ordering::AcqRel);
    ready
}

fn poll_until(socket: BorrowedFd<'_>, flags: PollFlags, timeout: Duration) -> io::Result<bool> {
    let deadline = Instant::now() + timeout;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(false);
        }
        let interval = Timespec::try_from(left.min(HEARTBEAT_INTERVAL)).map_err(io::Error::other)?;
        match poll(&mut [PollFd::from_borrowed_fd(socket, flags)], Some(&interval)) {
            Ok(0) => scoreboard::beat(),
            Ok(_) => return Ok(true),
            Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}
