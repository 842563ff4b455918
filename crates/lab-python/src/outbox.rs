//! Responses that leave together. No Python.
//!
//! A client that waits is woken by its answer, which costs the sender a good part of what a short call of an application
//! costs. Answers that leave one right after the other wake a client that serves many connections (a proxy) once. So the
//! answers of quick calls wait until every request that is ready has been called with.
//!
//! None of them waits for a slow call, though: a watchman sends what has waited for too long.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::net::{SendAncillaryBuffer, SendFlags, sendmsg};

use crate::kept::Kept;

/// Calls that take longer are answered at once.
pub(crate) const QUICK: Duration = Duration::from_micros(500);
/// How often the watchman looks. An answer waits for twice as long at most.
const ROUND: Duration = Duration::from_millis(2);
/// Rounds without an answer after which the watchman sleeps.
const ROUNDS_TILL_SLEEP: u32 = 50;

/// The answers that wait.
#[derive(Debug, Clone, Default)]
pub(crate) struct Outbox(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    /// Whether something was posted since the watchman last looked.
    is_stirred: AtomicBool,
    /// Whether the watchman sleeps until he is woken.
    sleeps: AtomicBool,
    woken: Condvar,
}

#[derive(Debug, Default)]
struct State {
    held: VecDeque<Held>,
    posted: u64,
    /// Answers below this number were sent, as far as their sockets took them.
    sent: u64,
}

#[derive(Debug)]
struct Held {
    number: u64,
    socket: RawFd,
    buffer: Vec<u8>,
    /// What is to be sent behind the buffer.
    content: Option<Kept>,
}

/// The right to get back what could not be sent. As long as it exists, the socket must be open.
#[derive(Debug)]
pub(crate) struct Ticket {
    number: u64,
    outbox: Outbox,
}

impl Outbox {
    /// With a watchman of its own.
    pub(crate) fn start() -> std::io::Result<Outbox> {
        let outbox = Outbox::default();
        let watched = Arc::clone(&outbox.0);
        std::thread::Builder::new().name("lab-outbox".to_owned()).spawn(move || watched.watch())?;
        Ok(outbox)
    }

    /// Has an answer wait.
    pub(crate) fn post(&self, socket: BorrowedFd<'_>, buffer: Vec<u8>, content: Option<Kept>) -> Ticket {
        let mut state = self.0.lock();
        let number = state.posted;
        state.posted += 1;
        state.held.push_back(Held { number, socket: socket.as_raw_fd(), buffer, content });
        drop(state);
        self.0.is_stirred.store(true, Ordering::Relaxed);
        if self.0.sleeps.swap(false, Ordering::AcqRel) {
            self.0.woken.notify_one();
        }
        Ticket { number, outbox: self.clone() }
    }
}

impl Ticket {
    /// What could not be sent. The first of its turn to come back sends what waits, as far as the sockets take it.
    pub(crate) fn redeem(self) -> Vec<u8> {
        let mut state = self.outbox.0.lock();
        // Else this answer has left already, and what waits now is of the next turn, which is not over.
        if state.sent <= self.number {
            state.send(u64::MAX);
        }
        state.take(self.number)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.outbox.0.lock().take(self.number);
    }
}

impl State {
    /// Takes what is left of an answer away, if it is still there.
    fn take(&mut self, number: u64) -> Vec<u8> {
        // The first in is nearly always the first out.
        let place = self.held.iter().position(|held| held.number == number);
        place.and_then(|place| self.held.remove(place)).map(Held::unsent).unwrap_or_default()
    }

    /// Sends what waits and was posted before `number`.
    fn send(&mut self, number: u64) {
        let upto = number.min(self.posted);
        if self.sent >= upto {
            return;
        }
        for held in self.held.iter_mut().filter(|held| (self.sent..upto).contains(&held.number)) {
            // SAFETY: whoever posted the answer keeps its ticket until the socket is to be closed, and the ticket takes
            // the answer out of here.
            let socket = unsafe { BorrowedFd::borrow_raw(held.socket) };
            held.send(socket);
        }
        self.sent = upto;
    }
}

impl Held {
    /// Sends as much as the socket takes. What is wrong with it, its connection finds out with what is left.
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

    fn unsent(mut self) -> Vec<u8> {
        self.buffer.extend_from_slice(self.content.as_deref().unwrap_or_default());
        self.buffer
    }
}

impl Shared {
    /// The watchman: sends in each round what was there in the last.
    fn watch(&self) {
        let mut quiet_rounds = 0;
        let mut overdue = 0;
        loop {
            std::thread::sleep(ROUND);
            let mut state = self.lock();
            state.send(overdue);
            overdue = state.posted;
            quiet_rounds = if self.is_stirred.swap(false, Ordering::Relaxed) { 0 } else { quiet_rounds + 1 };
            if quiet_rounds >= ROUNDS_TILL_SLEEP {
                quiet_rounds = 0;
                self.sleeps.store(true, Ordering::Release);
                // Posted between the look and the sleep: the poster found nobody asleep.
                if !self.is_stirred.load(Ordering::Acquire) {
                    let awake = self.woken.wait_while(state, |_| self.sleeps.load(Ordering::Acquire));
                    drop(awake.unwrap_or_else(PoisonError::into_inner));
                }
                self.sleeps.store(false, Ordering::Release);
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

    /// The client's side of a connection, and the ticket of an answer on the other.
    fn post(outbox: &Outbox, answer: &str) -> (UnixStream, UnixStream, Ticket) {
        let (client, server) = UnixStream::pair().unwrap();
        client.set_nonblocking(true).unwrap();
        let ticket = outbox.post(server.as_fd(), answer.as_bytes().to_vec(), None);
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
    fn answers_of_the_next_turn_do_not_leave_with_this_one() {
        // without a watchman
        let outbox = Outbox::default();
        let (one, _one, first) = post(&outbox, "one");
        let (two, _two, second) = post(&outbox, "two");
        assert_eq!((received(&one), received(&two)), (None, None));
        assert_eq!(first.redeem(), b"");
        assert_eq!((received(&one), received(&two)), (Some("one".to_owned()), Some("two".to_owned())));
        // The first has called for its next request already when the second comes back.
        let (three, _three, third) = post(&outbox, "three");
        assert_eq!(second.redeem(), b"");
        assert_eq!(received(&three), None);
        assert_eq!(third.redeem(), b"");
        assert_eq!(received(&three), Some("three".to_owned()));
    }

    /// What the socket did not take of an answer without content of its own was lost.
    #[test]
    fn what_a_socket_does_not_take_is_given_back() {
        let answer: Vec<u8> = (0..4 * 1024 * 1024).map(|number: u32| number.to_le_bytes()[1]).collect();
        let (mut client, server) = UnixStream::pair().unwrap();
        let ticket = Outbox::default().post(server.as_fd(), answer.clone(), None);
        let unsent = ticket.redeem();
        drop(server);
        let mut whole = Vec::new();
        client.read_to_end(&mut whole).unwrap();
        assert!(!whole.is_empty() && !unsent.is_empty());
        whole.extend(unsent);
        assert!(whole == answer);
    }

    #[test]
    fn an_answer_that_is_given_up_is_not_sent() {
        let outbox = Outbox::default();
        let (one, _one, first) = post(&outbox, "one");
        let (two, _two, second) = post(&outbox, "two");
        drop(first);
        assert_eq!(second.redeem(), b"");
        assert_eq!((received(&one), received(&two)), (None, Some("two".to_owned())));
    }
}
