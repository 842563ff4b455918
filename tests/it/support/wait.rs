//! Waiting for conditions that other processes and threads bring about.

use std::time::{Duration, Instant};

/// Longer than anything a test waits for, unless it is broken.
const LIMIT: Duration = Duration::from_secs(30);

/// The first and the longest pause between two polls. A spinning test would take a core from the awaited process.
const PAUSES: [Duration; 2] = [Duration::from_millis(1), Duration::from_millis(20)];

/// The result of a poll: a boolean, or an option whose value the test goes on with.
pub(crate) trait Condition {
    type Value;

    fn value(self) -> Option<Self::Value>;
}

impl Condition for bool {
    type Value = ();

    fn value(self) -> Option<()> {
        self.then_some(())
    }
}

impl<T> Condition for Option<T> {
    type Value = T;

    fn value(self) -> Option<T> {
        self
    }
}

/// Polls `condition` until it holds; fails after 30 s, naming `what` did not happen.
#[track_caller]
pub(crate) fn wait_until<C: Condition>(what: &str, condition: impl FnMut() -> C) -> C::Value {
    wait_until_within(LIMIT, what, condition)
}

/// [`wait_until`] with another limit.
#[track_caller]
pub(crate) fn wait_until_within<C: Condition>(
    limit: Duration,
    what: &str,
    mut condition: impl FnMut() -> C,
) -> C::Value {
    let deadline = Instant::now() + limit;
    let [mut pause, longest] = PAUSES;
    loop {
        if let Some(value) = condition().value() {
            return value;
        }
        assert!(Instant::now() < deadline, "waited {} s in vain: {what}", limit.as_secs());
        std::thread::sleep(pause);
        pause = longest.min(pause * 2);
    }
}
