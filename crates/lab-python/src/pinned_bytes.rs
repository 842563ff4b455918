//! Python `bytes` that are sent without a copy and kept alive until they are sent.

use std::fmt;
use std::ops::Deref;

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

/// A `bytes` object that can be read detached from the interpreter.
pub(crate) struct PinnedBytes {
    /// Keeps the bytes alive. If it is dropped while detached, PyO3 releases the reference at the next attach.
    object: Py<PyBytes>,
    content: *const [u8],
}

// SAFETY: a `bytes` object is immutable and does not move while there is a reference to it, on any thread.
unsafe impl Send for PinnedBytes {}

impl PinnedBytes {
    pub(crate) fn new(bytes: &Bound<'_, PyBytes>) -> PinnedBytes {
        PinnedBytes { content: std::ptr::from_ref(bytes.as_bytes()), object: bytes.clone().unbind() }
    }

    /// Leaves out the first `count` bytes.
    pub(crate) fn advance(&mut self, count: usize) {
        self.content = std::ptr::from_ref(&self[count..]);
    }

    /// Whether something else refers to the object, so that it takes memory anyway.
    pub(crate) fn is_shared(&self, _attached: Python<'_>) -> bool {
        // SAFETY: the thread is attached, and the object is alive.
        unsafe { ffi::Py_REFCNT(self.object.as_ptr()) > 1 }
    }
}

impl Deref for PinnedBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: `object` keeps the bytes alive, and they are immutable.
        unsafe { &*self.content }
    }
}

impl fmt::Debug for PinnedBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PinnedBytes").field("length", &self.len()).finish_non_exhaustive()
    }
}
