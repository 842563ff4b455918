//! Copies of a worker that the application makes with `fork`, directly or by `multiprocessing`.
//!
//! A copy has the worker's event loop, listeners, scoreboard and signal pipe. It must not use any of them: it would accept
//! connections, serve requests of its parent, keep the port after the server's end, and look alive for a parent that
//! hangs. So a copy gives them up at once, and ends when it leaves the application.

use std::os::fd::{AsFd as _, BorrowedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use pyo3::exceptions::PySystemExit;
use pyo3::prelude::*;

use crate::scoreboard;

static IS_COPY: AtomicBool = AtomicBool::new(false);
/// The listeners of this worker. Locked only at its start, before the application can fork, and in a copy.
static LISTENERS: Mutex<Vec<RawFd>> = Mutex::new(Vec::new());

/// Sets the listeners that a copy gives up.
pub(crate) fn set_listeners(listeners: Vec<RawFd>) {
    *LISTENERS.lock().unwrap_or_else(PoisonError::into_inner) = listeners;
}

/// Gives up everything that belongs to the worker. Call it in the copy, before the application goes on.
pub(crate) fn give_up() -> std::io::Result<()> {
    IS_COPY.store(true, Ordering::Relaxed);
    scoreboard::detach()?;
    let null = std::fs::File::open("/dev/null")?;
    for &listener in LISTENERS.lock().unwrap_or_else(PoisonError::into_inner).iter() {
        // The runtime still knows the number, so another file must not get it: /dev/null takes its place.
        // SAFETY: the worker never closes its listeners before it ends.
        let listener = unsafe { BorrowedFd::borrow_raw(listener) };
        replace(null.as_fd(), listener)?;
    }
    Ok(())
}

fn replace(file: BorrowedFd<'_>, descriptor: BorrowedFd<'_>) -> std::io::Result<()> {
    use std::os::fd::{AsRawFd as _, FromRawFd as _, IntoRawFd as _, OwnedFd};
    // SAFETY: the number is given back below, so the descriptor is not closed.
    let mut owned = unsafe { OwnedFd::from_raw_fd(descriptor.as_raw_fd()) };
    let replaced = rustix::io::dup2(file, &mut owned);
    let _ = owned.into_raw_fd();
    Ok(replaced?)
}

/// Whether this process is a copy.
pub(crate) fn is_copy() -> bool {
    IS_COPY.load(Ordering::Relaxed)
}

/// Ends a copy that has left the application. `left_by` is the exception it left by, if any. Exit handlers do not run:
/// they are the worker's.
pub(crate) fn end_copy(py: Python<'_>, left_by: Option<&PyErr>) {
    let code = match left_by {
        None => 0,
        Some(error) if error.is_instance_of::<PySystemExit>(py) => exit_code(py, error),
        Some(error) => {
            error.display(py);
            1
        }
    };
    for stream in ["stdout", "stderr"] {
        // A stream that is closed or replaced has nothing to flush.
        let _ = py.import("sys").and_then(|sys| sys.getattr(stream)).and_then(|stream| stream.call_method0("flush"));
    }
    let ended = py.import("os").and_then(|os| os.call_method1("_exit", (code,)));
    tracing::error!("a copy of the worker cannot end: {ended:?}");
}

/// The exit code of a SystemExit, as the interpreter takes it: an integer, 0 for None, 1 for anything else.
fn exit_code(py: Python<'_>, error: &PyErr) -> i32 {
    match error.value(py).getattr("code") {
        Ok(code) if code.is_none() => 0,
        Ok(code) => code.extract().unwrap_or(1),
        Err(_) => 1,
    }
}
