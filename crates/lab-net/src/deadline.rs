//! Time limits for waits that mostly end before they need a timer.
//!
//! - [`within`] bounds a single wait, and creates a timer only if it has to wait.
//! - [`Timer`] bounds many waits of one connection, each with its own limit, with a single registration.
//! - [`Deadline`] bounds a sequence of waits together.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use pin_project_lite::pin_project;
use tokio::task::yield_now;
use tokio::time::{Instant, Sleep, sleep, sleep_until};

use crate::clock;

/// The wait exceeded its limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimedOut;

// These are structs, because an async function that takes a future has room for it twice, and moves it in between.
pin_project! {
    struct NowOrPending<F> {
        #[pin]
        future: F,
    }
}

impl<F: Future> Future for NowOrPending<F> {
    type Output = Poll<F::Output>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Poll<F::Output>> {
        Poll::Ready(self.project().future.poll(cx))
    }
}

/// Polls a future once.
pub fn now_or_pending<F: Future>(future: F) -> impl Future<Output = Poll<F::Output>> {
    NowOrPending { future }
}

/// Polls a future once, after the runtime has learnt of everything that has arrived.
///
/// A task that gives up on its client calls this first: bytes may have arrived since the runtime last polled the system,
/// and a connection that is closed with unread bytes is reset.
pub async fn last_look<T>(future: impl Future<Output = T>) -> Poll<T> {
    // The runtime polls the system before it resumes this task.
    yield_now().await;
    now_or_pending(future).await
}

/// Like [`timeout`](tokio::time::timeout), but creates no timer for a future that is ready at once. The limit counts from
/// the first poll that is pending.
///
/// # Errors
/// The future took longer than `limit`.
pub fn within<F: Future>(limit: Duration, future: F) -> impl Future<Output = Result<F::Output, TimedOut>> {
    OnceWithin { limit, sleep: None, future }
}

pin_project! {
    struct OnceWithin<F> {
        limit: Duration,
        #[pin]
        sleep: Option<Sleep>,
        #[pin]
        future: F,
    }
}

impl<F: Future> Future for OnceWithin<F> {
    type Output = Result<F::Output, TimedOut>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if let Poll::Ready(output) = this.future.poll(cx) {
            return Poll::Ready(Ok(output));
        }
        if this.sleep.is_none() {
            this.sleep.set(Some(sleep(*this.limit)));
        }
        // It was set just now, if it was not before.
        let Some(sleep) = this.sleep.as_pin_mut() else { return Poll::Pending };
        sleep.poll(cx).map(|()| Err(TimedOut))
    }
}

/// One timer for all waits of a connection. It registers with the runtime once.
///
/// A timer set too early is not moved at once, because most waits end long before it fires. When it fires, it is set to
/// the right time.
#[derive(Debug)]
pub struct Timer {
    /// Created on first use: many connections never wait.
    sleep: Option<Pin<Box<Sleep>>>,
    is_set: bool,
}

impl Default for Timer {
    fn default() -> Timer {
        Timer::new()
    }
}

impl Timer {
    #[must_use]
    pub fn new() -> Timer {
        Timer { sleep: None, is_set: false }
    }

    /// Waits for `future`, at most `limit` from its first pending poll.
    ///
    /// # Errors
    /// The limit has passed.
    pub fn within<F: Future>(
        &mut self,
        limit: Duration,
        future: F,
    ) -> impl Future<Output = Result<F::Output, TimedOut>> {
        Within { timer: self, limit, deadline: None, future }
    }

    /// Ready once the deadline has passed.
    fn poll_passed(&mut self, deadline: Instant, cx: &mut Context<'_>) -> Poll<()> {
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if !self.is_set || sleep.deadline() > deadline {
            sleep.as_mut().reset(deadline);
            self.is_set = true;
        }
        while sleep.as_mut().poll(cx).is_ready() {
            if sleep.deadline() >= deadline {
                self.is_set = false;
                return Poll::Ready(());
            }
            sleep.as_mut().reset(deadline);
        }
        Poll::Pending
    }
}

pin_project! {
    struct Within<'t, F> {
        timer: &'t mut Timer,
        limit: Duration,
        // From the first pending poll.
        deadline: Option<Instant>,
        #[pin]
        future: F,
    }
}

impl<F: Future> Future for Within<'_, F> {
    type Output = Result<F::Output, TimedOut>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if let Poll::Ready(value) = this.future.poll(cx) {
            return Poll::Ready(Ok(value));
        }
        let deadline = *this.deadline.get_or_insert_with(|| {
            let now = clock::now();
            // an overflow means no limit
            Instant::from_std(now.checked_add(*this.limit).unwrap_or_else(|| now + Duration::from_secs(1 << 30)))
        });
        this.timer.poll_passed(deadline, cx).map(|()| Err(TimedOut))
    }
}

/// An instant that bounds a sequence of waits. It may be extended; the runtime's timer follows lazily, since a deadline
/// only ever moves later.
#[derive(Debug)]
pub struct Deadline {
    sleep: Pin<Box<Sleep>>,
    at: Instant,
}

impl Deadline {
    #[must_use]
    pub fn new(at: std::time::Instant) -> Deadline {
        Deadline { sleep: Box::pin(sleep_until(at.into())), at: at.into() }
    }

    /// Moves the deadline to `at`, which must not be earlier than before.
    pub fn extend(&mut self, at: std::time::Instant) {
        self.at = at.into();
    }

    /// Waits for `future` until the deadline.
    ///
    /// # Errors
    /// The deadline has passed.
    pub async fn limit<T>(&mut self, future: impl Future<Output = T>) -> Result<T, TimedOut> {
        let mut future = pin!(future);
        poll_fn(|cx| match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Ok(output)),
            Poll::Pending => self.poll_passed(cx).map(|()| Err(TimedOut)),
        })
        .await
    }

    /// Ready once the deadline has passed.
    pub fn poll_passed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            ready!(self.sleep.as_mut().poll(cx));
            if Instant::now() >= self.at {
                return Poll::Ready(());
            }
            self.sleep.as_mut().reset(self.at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn ready_futures_need_no_time() {
        let mut timer = Timer::new();
        assert_eq!(timer.within(Duration::ZERO, async { 1 }).await, Ok(1));
        assert_eq!(timer.within(Duration::from_millis(1), std::future::pending::<()>()).await, Err(TimedOut));
        assert_eq!(timer.within(Duration::MAX, async { 2 }).await, Ok(2));
        assert_eq!(within(Duration::ZERO, async { 3 }).await, Ok(3));
        assert_eq!(within(Duration::from_millis(1), std::future::pending::<()>()).await, Err(TimedOut));
    }

    #[tokio::test]
    async fn last_look_sees_what_has_just_arrived() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (server, _) = listener.accept().unwrap();
        server.set_nonblocking(true).unwrap();
        let server = tokio::net::TcpStream::from_std(server).unwrap();
        assert!(last_look(server.readable()).await.is_pending());
        std::io::Write::write_all(&mut client, b"GET").unwrap();
        // The runtime has not polled the system since.
        assert!(now_or_pending(server.readable()).await.is_pending());
        assert!(last_look(server.readable()).await.is_ready());
    }

    #[tokio::test]
    async fn reused_timer_fires_in_time() {
        let mut timer = Timer::new();
        let begun = std::time::Instant::now();
        let mut ends = async |limit: u64, over: u64| {
            let other = tokio::time::sleep(Duration::from_millis(over));
            (timer.within(Duration::from_millis(limit), other).await.is_err(), begun.elapsed().as_millis())
        };
        assert!(!ends(30, 1).await.0);
        // the timer is set for 30 ms and fires during this wait
        let (is_over, at) = ends(60, 60_000).await;
        assert!(is_over && at >= 60, "{at}");
        assert!(!ends(60_000, 1).await.0);
        // the timer is set for a minute
        let (is_over, at) = ends(5, 60_000).await;
        assert!(is_over && at < 20_000, "{at}");
    }

    #[tokio::test]
    async fn extended_deadline_passes_at_its_last_instant() {
        let start = std::time::Instant::now();
        let mut deadline = Deadline::new(start + Duration::from_millis(5));
        deadline.extend(start + Duration::from_millis(30));
        poll_fn(|cx| deadline.poll_passed(cx)).await;
        assert!(start.elapsed() >= Duration::from_millis(30));
    }
}
