//! Sends responses in batches. No Python.
//!
//! A response wakes the client that waits for it, and that wake-up costs the sender a good part of what a short call of
//! an application costs. Responses that leave back to back wake a client with many connections (a proxy) only once. So
//! the responses of quick calls wait until every ready request has been served.
//!
//! The event loop bounds the wait itself while all calls are quick. A slow call must not delay the others' responses
//! either: a flusher thread sends them.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::ops::RangeInclusive;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::net::{SendAncillaryBuffer, SendFlags, sendmsg};

use crate::pinned_bytes::PinnedBytes;

/// Responses of calls that take longer are sent at once.
pub(crate) const QUICK_CALL: Duration = Duration::from_millis(1);
/// The same for the only connection of a worker. No other response can join its own, but that of a very short call is best
/// sent after the objects of the call were freed: its client is often quicker than that.
pub(crate) const QUICK_CALL_ALONE: Duration = Duration::from_micros(150);
/// How long a response waits while all calls are quick.
const LONGEST_WAIT: Duration = Duration::from_millis(16);
/// How often the flusher thread looks for a slow call: at the first interval after it has found one, then more and more
/// rarely. On a virtual machine each of its timers can cost as much CPU time as a quick call.
const FLUSH_INTERVALS: RangeInclusive<Duration> = Duration::from_millis(2)..=Duration::from_millis(16);
/// The time without a response after which the flusher thread sleeps until there is one.
const TIME_TILL_SLEEP: Duration = Duration::from_millis(100);

/// Responses that wait to be sent together.
#[derive(Debug, Clone, Default)]
pub(crate) struct ResponseBatch(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    /// Whether the flusher sleeps until it is woken.
    is_flusher_asleep: AtomicBool,
    wake_flusher: Condvar,
}

#[derive(Debug, Default)]
struct State {
    queue: VecDeque<QueuedResponse>,
    /// The number of responses added so far, which is the number of the next one.
    added: u64,
    /// Responses below this number were sent, as far as their sockets accepted them.
    sent: u64,
    /// When the first of the unsent responses was added.
    unsent_since: Option<Instant>,
}

#[derive(Debug)]
struct QueuedResponse {
    number: u64,
    socket: RawFd,
    buffer: Vec<u8>,
    /// Bytes to send after the buffer.
    content: Option<PinnedBytes>,
}

/// Entitles a connection to the unsent bytes of its response. The socket must stay open while the ticket exists.
#[derive(Debug)]
pub(crate) struct BatchTicket {
    number: u64,
    batch: ResponseBatch,
}

impl ResponseBatch {
    /// Creates a batch with its flusher thread.
    pub(crate) fn start() -> std::io::Result<ResponseBatch> {
        let batch = ResponseBatch::default();
        let shared = Arc::clone(&batch.0);
        std::thread::Builder::new().name("lab-flusher".to_owned()).spawn(move || shared.run_flusher())?;
        Ok(batch)
    }

    /// Adds the rest of a response. What waits for too long is sent now, with this one.
    pub(crate) fn add(&self, socket: BorrowedFd<'_>, buffer: Vec<u8>, content: Option<PinnedBytes>) -> BatchTicket {
        let now = Instant::now();
        let mut state = self.0.lock();
        let number = state.added;
        state.added += 1;
        state.queue.push_back(QueuedResponse { number, socket: socket.as_raw_fd(), buffer, content });
        if now.duration_since(*state.unsent_since.get_or_insert(now)) >= LONGEST_WAIT {
            state.send_all();
        }
        drop(state);
        if self.0.is_flusher_asleep.swap(false, Ordering::AcqRel) {
            self.0.wake_flusher.notify_one();
        }
        BatchTicket { number, batch: self.clone() }
    }

    /// Sends all responses that wait.
    pub(crate) fn send_all(&self) {
        self.0.lock().send_all();
    }
}

impl BatchTicket {
    /// Returns the unsent bytes. The first connection of a turn of the event loop to redeem sends the whole batch.
    pub(crate) fn redeem(self) -> Vec<u8> {
        let mut state = self.batch.0.lock();
        // If this response was sent already, the queue holds responses of the next turn, which is not over.
        if state.sent <= self.number {
            state.send_all();
        }
        state.take(self.number)
    }
}

impl Drop for BatchTicket {
    fn drop(&mut self) {
        self.batch.0.lock().take(self.number);
    }
}

impl State {
    /// Removes a response and returns its unsent bytes; none if it was removed before.
    fn take(&mut self, number: u64) -> Vec<u8> {
        // The first in is nearly always the first out.
        let index = self.queue.iter().position(|response| response.number == number);
        index.and_then(|index| self.queue.remove(index)).map(QueuedResponse::into_unsent).unwrap_or_default()
    }

    fn send_all(&mut self) {
        self.unsent_since = None;
        for response in self.queue.iter_mut().filter(|response| response.number >= self.sent) {
            // SAFETY: whoever added the response keeps its ticket until the socket is to be closed, and the ticket
            // removes the response from the queue.
            let socket = unsafe { BorrowedFd::borrow_raw(response.socket) };
            response.send(socket);
        }
        self.sent = self.added;
    }
}

impl QueuedResponse {
    /// Sends as much as the socket accepts. The connection meets any error when it sends the rest.
    fn send(&mut self, socket: BorrowedFd<'_>) {
        let content = self.content.as_deref().unwrap_or_default();
        let slices = [IoSlice::new(&self.buffer), IoSlice::new(content)];
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        let Ok(sent) = sendmsg(socket, &slices, &mut SendAncillaryBuffer::default(), flags) else { return };
        let from_buffer = sent.min(self.buffer.len());
        self.buffer.drain(..from_buffer);
        self.buffer.extend_from_slice(&content[sent - from_buffer..]);
        self.content = None;
    }

    fn into_unsent(mut self) -> Vec<u8> {
        self.buffer.extend_from_slice(self.content.as_deref().unwrap_or_default());
        self.buffer
    }
}

impl Shared {
    /// The flusher thread: sends the responses that wait if none was added for an interval, because then the event loop is
    /// in a slow call.
    fn run_flusher(&self) {
        let (mut interval, mut idle, mut seen) = (*FLUSH_INTERVALS.start(), Duration::ZERO, 0);
        loop {
            std::thread::sleep(interval);
            let mut state = self.lock();
            if state.added > seen {
                (seen, idle) = (state.added, Duration::ZERO);
                interval = (interval * 2).min(*FLUSH_INTERVALS.end());
                continue;
            }
            if state.sent < state.added {
                state.send_all();
                interval = *FLUSH_INTERVALS.start();
            }
            idle += interval;
            if idle >= TIME_TILL_SLEEP {
                self.is_flusher_asleep.store(true, Ordering::Release);
                let is_asleep = |_: &mut State| self.is_flusher_asleep.load(Ordering::Acquire);
                let awake = self.wake_flusher.wait_while(state, is_asleep);
                drop(awake.unwrap_or_else(PoisonError::into_inner));
                (interval, idle) = (*FLUSH_INTERVALS.start(), Duration::ZERO);
            }
        }
    }

    // Nothing panics while it holds the lock.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{ErrorKind, Read as _};
    use std::os::fd::AsFd as _;
    use std::os::unix::net::UnixStream;

    use super::*;

    /// The client's side of a connection, the server's side, and the ticket of a response on it.
    fn add(batch: &ResponseBatch, response: &str) -> (UnixStream, UnixStream, BatchTicket) {
        let (client, server) = UnixStream::pair().unwrap();
        client.set_nonblocking(true).unwrap();
        let ticket = batch.add(server.as_fd(), response.as_bytes().to_vec(), None);
        (client, server, ticket)
    }

    fn received(mut client: &UnixStream) -> Option<String> {
        let mut buffer = [0; 16];
        match client.read(&mut buffer) {
            Ok(length) => Some(String::from_utf8_lossy(&buffer[..length]).into_owned()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => None,
            Err(error) => panic!("{error}"),
        }
    }

    #[test]
    fn responses_of_the_next_turn_wait() {
        // no flusher thread
        let batch = ResponseBatch::default();
        let (one, _one, first) = add(&batch, "one");
        let (two, _two, second) = add(&batch, "two");
        assert_eq!((received(&one), received(&two)), (None, None));
        assert_eq!(first.redeem(), b"");
        assert_eq!((received(&one), received(&two)), (Some("one".to_owned()), Some("two".to_owned())));
        // The first connection has served its next request before the second redeems its ticket.
        let (three, _three, third) = add(&batch, "three");
        assert_eq!(second.redeem(), b"");
        assert_eq!(received(&three), None);
        assert_eq!(third.redeem(), b"");
        assert_eq!(received(&three), Some("three".to_owned()));
    }

    /// The unsent part of a response without separate content was once lost.
    #[test]
    fn unsent_bytes_are_returned() {
        let response: Vec<u8> = (0..4 * 1024 * 1024).map(|number: u32| number.to_le_bytes()[1]).collect();
        let (mut client, server) = UnixStream::pair().unwrap();
        let ticket = ResponseBatch::default().add(server.as_fd(), response.clone(), None);
        let unsent = ticket.redeem();
        drop(server);
        let mut whole = Vec::new();
        client.read_to_end(&mut whole).unwrap();
        assert!(!whole.is_empty() && !unsent.is_empty());
        whole.extend(unsent);
        assert!(whole == response);
    }

    #[test]
    fn long_turn_sends_what_waits() {
        let batch = ResponseBatch::default();
        let (one, _one, _first) = add(&batch, "one");
        std::thread::sleep(LONGEST_WAIT);
        let (two, _two, _second) = add(&batch, "two");
        assert_eq!((received(&one), received(&two)), (Some("one".to_owned()), Some("two".to_owned())));
        let (three, _three, _third) = add(&batch, "three");
        assert_eq!(received(&three), None);
    }

    #[test]
    fn flusher_sends_what_a_slow_call_delays() {
        let batch = ResponseBatch::start().unwrap();
        for text in ["one", "two"] {
            let (client, _server, ticket) = add(&batch, text);
            client.set_nonblocking(false).unwrap();
            // The event loop does nothing until the client has its response.
            assert_eq!(received(&client).as_deref(), Some(text));
            assert_eq!(ticket.redeem(), b"");
            // The flusher sleeps before the second response.
            while !batch.0.is_flusher_asleep.load(Ordering::Acquire) {
                std::thread::yield_now();
            }
        }
    }

    #[test]
    fn dropped_responses_are_not_sent() {
        let batch = ResponseBatch::default();
        let (one, _one, first) = add(&batch, "one");
        let (two, _two, second) = add(&batch, "two");
        drop(first);
        assert_eq!(second.redeem(), b"");
        assert_eq!((received(&one), received(&two)), (None, Some("two".to_owned())));
    }
}
