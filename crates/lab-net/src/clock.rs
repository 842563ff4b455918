//! The current time, read once per turn of an event loop instead of once per wait.

use std::cell::Cell;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_gettime};

thread_local! {
    static READING: Cell<Option<Reading>> = const { Cell::new(None) };
}

/// The time of an event loop when it was last read.
#[derive(Clone, Copy)]
struct Reading {
    now: Instant,
    /// The kernel's tick at that time.
    tick: TimeSpec,
}

impl Reading {
    fn take() -> Reading {
        Reading { now: Instant::now(), tick: tick() }
    }
}

/// The start of the current tick of the kernel's clock, which is some milliseconds long. Reading it is cheaper than reading
/// the time. libc reads it: rustix looks for the vDSO where valgrind has unmapped it, and crashes there.
fn tick() -> TimeSpec {
    clock_gettime(ClockId::CLOCK_MONOTONIC_COARSE).expect("Linux has this clock")
}

/// The instant at which this thread's turn began. A thread that never calls [`begin_turn`] gets the real time.
///
/// A runtime that always has tasks to run never sleeps, so its turn has no end. A turn that is longer than a tick of the
/// kernel's clock therefore begins again here.
#[must_use]
#[inline]
pub fn now() -> Instant {
    match READING.get() {
        None => Instant::now(),
        Some(reading) if reading.tick == tick() => reading.now,
        Some(_) => begin_turn(),
    }
}

/// The time since `then`, as of this turn.
#[must_use]
#[inline]
pub fn since(then: Instant) -> Duration {
    let now = now();
    // mostly in the same turn
    if now == then { Duration::ZERO } else { now.saturating_duration_since(then) }
}

/// Begins a turn, and returns the time: call it whenever the thread's event loop wakes up.
#[inline]
pub fn begin_turn() -> Instant {
    let reading = Reading::take();
    READING.set(Some(reading));
    reading.now
}

/// The wall clock at the start of the current tick, which is precise enough for a date. Reading it is cheaper than reading
/// the time. A clock before 1970 counts as 1970.
#[must_use]
pub fn wall() -> SystemTime {
    let time = clock_gettime(ClockId::CLOCK_REALTIME_COARSE).expect("Linux has this clock");
    let [seconds, nanoseconds] = [time.tv_sec(), time.tv_nsec()].map(|number| u64::try_from(number).unwrap_or(0));
    UNIX_EPOCH + Duration::from_secs(seconds) + Duration::from_nanos(nanoseconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wall_clock_is_some_milliseconds_late() {
        let late = SystemTime::now().duration_since(wall()).expect("not in the future");
        assert!(late < Duration::from_secs(1), "{late:?}");
    }

    #[test]
    fn long_turn_is_not_late() {
        begin_turn();
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_millis(50) {
            let before = Instant::now();
            // A tick is 10 ms at most.
            assert!(now() + Duration::from_millis(20) > before);
        }
    }
}
