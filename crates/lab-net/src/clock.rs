//! The present, read once per turn of an event loop instead of once per wait.

use std::cell::Cell;
use std::time::{Duration, Instant};

thread_local! {
    /// When this thread's event loop last woke up.
    static TURN: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// The instant at which this thread's turn began. A thread that never calls [`begin_turn`] gets the real time.
#[must_use]
#[inline]
pub fn now() -> Instant {
    TURN.get().unwrap_or_else(Instant::now)
}

/// The time since `then`, as of this turn.
#[must_use]
#[inline]
pub fn since(then: Instant) -> Duration {
    let now = now();
    // mostly in the same turn
    if now == then { Duration::ZERO } else { now.saturating_duration_since(then) }
}

/// Begins a turn: call it whenever the thread's event loop wakes up.
#[inline]
pub fn begin_turn() {
    TURN.set(Some(Instant::now()));
}
