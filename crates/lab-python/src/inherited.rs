//! Descriptors that the worker inherited. No Python.

use std::io;
use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd};

/// Takes over an inherited descriptor, known by its number. Call it once for each.
pub(crate) fn inherited(fd: i32) -> io::Result<OwnedFd> {
    if fd < 0 {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{fd} is not a descriptor")));
    }
    // SAFETY: F_GETFD only checks whether the descriptor is open.
    rustix::io::fcntl_getfd(unsafe { BorrowedFd::borrow_raw(fd) })?;
    // SAFETY: the descriptor is open, and the process that passed its number gave up ownership.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
