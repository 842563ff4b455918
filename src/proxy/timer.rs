//! Time limits for a row of waits, of which most are over before the clock is looked at.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

/// The wait took too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TimedOut;

/// One timer, set again and again: a connection that waits thousands of times registers with the clock once.
#[derive(Debug)]
pub(super) struct Timer {
    sleep: Pin<Box<Sleep>>,
}

impl Timer {
    pub(super) fn new() -> Timer {
        Timer { sleep: Box::pin(tokio::time::sleep(Duration::ZERO)) }
    }

    /// Waits for `future`, but no longer than `limit`. The clock is only set if there is something to wait for.
    pub(super) async fn within<T>(&mut self, limit: Duration, future: impl Future<Output = T>) -> Result<T, TimedOut> {
        let mut future = pin!(future);
        let mut is_set = false;
        poll_fn(|cx| {
            if let Poll::Ready(value) = future.as_mut().poll(cx) {
                return Poll::Ready(Ok(value));
            }
            if !is_set {
                // a limit beyond the end of time is none
                let deadline = Instant::now().checked_add(limit);
                self.sleep.as_mut().reset(deadline.unwrap_or_else(|| Instant::now() + Duration::from_secs(1 << 30)));
                is_set = true;
            }
            ready!(self.sleep.as_mut().poll(cx));
            Poll::Ready(Err(TimedOut))
        })
        .await
    }
}

/// Polls a future once: what it has now, or that it would wait.
pub(super) async fn now_or_pending<T>(future: impl Future<Output = T>) -> Poll<T> {
    let mut future = pin!(future);
    poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_ready_needs_no_time() {
        let mut timer = Timer::new();
        assert_eq!(timer.within(Duration::ZERO, async { 1 }).await, Ok(1));
        assert_eq!(timer.within(Duration::from_millis(1), std::future::pending::<()>()).await, Err(TimedOut));
        assert_eq!(timer.within(Duration::MAX, async { 2 }).await, Ok(2));
    }
}
