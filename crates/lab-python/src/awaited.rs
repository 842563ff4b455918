//! Waiting for a socket outside the loop, with signs of life for the arbiter. No Python.

use std::io;
use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::notes;

/// How long is waited between two signs of life.
const BREATH: Duration = Duration::from_secs(1);

/// Threads that wait now.
static WAITING: AtomicUsize = AtomicUsize::new(0);

/// Whether a thread waits for a socket.
pub(crate) fn is_anybody_waiting() -> bool {
    WAITING.load(Ordering::Acquire) > 0
}

/// Waits until the socket is ready; false if it is not within `patience`. To be called without the interpreter.
pub(crate) fn wait_for(socket: BorrowedFd<'_>, flags: PollFlags, patience: Duration) -> io::Result<bool> {
    WAITING.fetch_add(1, Ordering::AcqRel);
    let waited = poll_until(socket, flags, patience);
    WAITING.fetch_sub(1, Ordering::AcqRel);
    waited
}

fn poll_until(socket: BorrowedFd<'_>, flags: PollFlags, patience: Duration) -> io::Result<bool> {
    let deadline = Instant::now() + patience;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(false);
        }
        let breath = Timespec::try_from(left.min(BREATH)).map_err(io::Error::other)?;
        match poll(&mut [PollFd::from_borrowed_fd(socket, flags)], Some(&breath)) {
            Ok(0) => notes::beat(),
            Ok(_) => return Ok(true),
            Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}
