//! Whether the application has forked copies of this worker. A copy has every connection open as well, so closing a
//! descriptor does not end the connection for its client.

use std::sync::atomic::{AtomicBool, Ordering};

static EXIST: AtomicBool = AtomicBool::new(false);

/// Remembers that the application has forked.
pub fn remember() {
    EXIST.store(true, Ordering::Relaxed);
}

pub(crate) fn exist() -> bool {
    EXIST.load(Ordering::Relaxed)
}
