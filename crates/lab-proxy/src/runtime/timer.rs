//! Time limits for a row of waits, of which most are over before the clock is looked at.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

use crate::clock;

/// The wait took too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TimedOut;

/// One timer, set again and again: a connection that waits thousands of times registers with the clock once.
///
/// Nor is it set anew for each wait: one that is set to an earlier time goes off there, is found to be early, and only
/// then set to the right one. Most waits are over long before.
#[derive(Debug)]
pub(crate) struct Timer {
    /// Made when it is first needed: many a connection is over before.
    sleep: Option<Pin<Box<Sleep>>>,
    is_set: bool,
}

impl Timer {
    pub(crate) fn new() -> Timer {
        Timer { sleep: None, is_set: false }
    }

    /// Waits for `future`, but no longer than `limit`. The clock is only set if there is something to wait for.
    pub(crate) async fn within<T>(&mut self, limit: Duration, future: impl Future<Output = T>) -> Result<T, TimedOut> {
        let mut future = pin!(future);
        let mut deadline = None;
        poll_fn(|cx| {
            if let Poll::Ready(value) = future.as_mut().poll(cx) {
                return Poll::Ready(Ok(value));
            }
            let deadline = *deadline.get_or_insert_with(|| {
                let now = clock::now();
                // a limit beyond the end of time is none
                Instant::from_std(now.checked_add(limit).unwrap_or_else(|| now + Duration::from_secs(1 << 30)))
            });
            let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
            if !self.is_set || sleep.deadline() > deadline {
                sleep.as_mut().reset(deadline);
                self.is_set = true;
            }
            while sleep.as_mut().poll(cx).is_ready() {
                if sleep.deadline() >= deadline {
                    self.is_set = false;
                    return Poll::Ready(Err(TimedOut));
                }
                sleep.as_mut().reset(deadline);
            }
            Poll::Pending
        })
        .await
    }
}

/// Polls a future once: what it has now, or that it would wait.
pub(crate) async fn now_or_pending<T>(future: impl Future<Output = T>) -> Poll<T> {
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

    #[tokio::test]
    async fn a_timer_that_is_set_too_early_or_too_late_goes_off_in_time() {
        let mut timer = Timer::new();
        let begun = std::time::Instant::now();
        let mut ends = async |limit: u64, over: u64| {
            let other = tokio::time::sleep(Duration::from_millis(over));
            (timer.within(Duration::from_millis(limit), other).await.is_err(), begun.elapsed().as_millis())
        };
        assert!(!ends(30, 1).await.0);
        // set for 30 ms, and goes off in the middle of this
        let (is_over, at) = ends(60, 60_000).await;
        assert!(is_over && at >= 60, "{at}");
        assert!(!ends(60_000, 1).await.0);
        // set for a minute
        let (is_over, at) = ends(5, 60_000).await;
        assert!(is_over && at < 20_000, "{at}");
    }
}
