//! The memory of responses that their clients have not accepted yet. No Python.

use std::sync::atomic::{AtomicUsize, Ordering};

/// How many bytes all responses may keep in memory together before further ones go to files.
const LIMIT: usize = 64 * 1024 * 1024;

static KEPT: AtomicUsize = AtomicUsize::new(0);

/// A claim on a part of the memory, until the response is sent.
#[derive(Debug)]
pub(crate) struct UnsentMemory(usize);

impl UnsentMemory {
    /// Claims memory for `bytes`; None if there are too many already.
    pub(crate) fn claim(bytes: usize) -> Option<UnsentMemory> {
        if KEPT.fetch_add(bytes, Ordering::Relaxed) + bytes > LIMIT {
            KEPT.fetch_sub(bytes, Ordering::Relaxed);
            return None;
        }
        Some(UnsentMemory(bytes))
    }
}

impl Drop for UnsentMemory {
    fn drop(&mut self) {
        KEPT.fetch_sub(self.0, Ordering::Relaxed);
    }
}
