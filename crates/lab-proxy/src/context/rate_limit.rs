//! A limit of bytes per second: `limit_rate` for clients, `proxy_limit_rate` for upstreams.

use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

#[derive(Debug)]
pub(crate) struct RateLimit {
    bytes_per_s: u64,
    since: Instant,
    /// The count of bytes when the limit was set.
    before: u64,
    /// Bytes that may pass at once before the limit applies.
    free: u64,
    pause: Option<Pin<Box<Sleep>>>,
}

impl RateLimit {
    /// A limit from now on, after `free` bytes. `passed` is the count of bytes that have passed so far.
    pub(crate) fn new(bytes_per_s: u64, passed: u64, free: u64) -> RateLimit {
        RateLimit { bytes_per_s, since: Instant::now(), before: passed, free, pause: None }
    }

    /// The number of bytes that may pass now, at least one, if `passed` have. As in nginx, the whole share of a second is
    /// available at its start.
    pub(crate) fn poll_room(&mut self, passed: u64, cx: &mut Context<'_>) -> Poll<usize> {
        loop {
            if let Some(pause) = &mut self.pause {
                ready!(pause.as_mut().poll(cx));
                self.pause = None;
            }
            let seconds = self.since.elapsed().as_secs() + 1;
            let room =
                self.bytes_per_s.saturating_mul(seconds).saturating_add(self.free).saturating_sub(passed - self.before);
            if room > 0 {
                return Poll::Ready(usize::try_from(room).unwrap_or(usize::MAX));
            }
            self.pause = Some(Box::pin(sleep_until(self.since + Duration::from_secs(seconds))));
        }
    }
}
