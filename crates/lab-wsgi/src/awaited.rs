//! Waiting for a socket outside the loop, with signs of life for the arbiter. No Python.

use std::io;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::notes;

/// How long is waited between two signs of life.
const BREATH: Duration = Duration::from_secs(1);

/// Waits until the socket is ready; false if it is not within `patience`. To be called without the interpreter.
pub(crate) fn wait_for(socket: BorrowedFd<'_>, flags: PollFlags, patience: Duration) -> io::Result<bool> {
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
