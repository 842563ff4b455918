//! Ends the threads that a test has started.

use std::sync::atomic::{AtomicBool, Ordering};

/// Tells threads to end.
#[derive(Debug, Default)]
pub(crate) struct StopFlag(AtomicBool);

impl StopFlag {
    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Sets the flag at the end of the scope, also when the test panics: `thread::scope` waits for its threads even then,
    /// so a test that only sets the flag at its end hangs instead of failing.
    pub(crate) fn set_at_end(&self) -> impl Drop + '_ {
        SetAtEnd(self)
    }
}

struct SetAtEnd<'a>(&'a StopFlag);

impl Drop for SetAtEnd<'_> {
    fn drop(&mut self) {
        self.0.set();
    }
}
