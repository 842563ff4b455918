//! The way of a response to its client, past the loop: bytes leave at once as far as the socket takes them, and what
//! it does not take is left for the loop to write. No Python.

use std::io::{self, IoSlice};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::PollFlags;
use rustix::net::{SendAncillaryBuffer, SendFlags, sendmsg};

use crate::awaited::wait_for;
use crate::outbox::{Outbox, QUICK, Ticket};

/// Bytes that may lie unsent before the application is made to wait for its client.
pub(crate) const BACKLOG: usize = 1024 * 1024;

/// Answers from this size on do not wait for others.
const TOGETHER: usize = 64 * 1024;

/// A socket that is used while its connection waits.
#[derive(Debug, Clone)]
pub(crate) enum Socket {
    /// The connection's own descriptor, for a call in place: the connection cannot close it meanwhile.
    Borrowed(RawFd),
    /// A duplicate, for a call on another thread.
    Owned(Arc<OwnedFd>),
}

impl Socket {
    /// For a call in place. To be dropped, or not used again, before the connection is.
    pub(crate) fn borrowed(connection: &impl AsFd) -> Socket {
        Socket::Borrowed(connection.as_fd().as_raw_fd())
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            // SAFETY: the connection that owns the descriptor awaits the call in which this socket is used, and takes
            // the response and the body, the only ones to hold the socket, away from Python when the call has ended.
            Socket::Borrowed(fd) => unsafe { BorrowedFd::borrow_raw(*fd) },
            Socket::Owned(fd) => fd.as_fd(),
        }
    }
}

/// The writing side of one exchange.
#[derive(Debug)]
pub(crate) struct Outlet {
    socket: Socket,
    /// What is to be sent next.
    pub(crate) buffer: Vec<u8>,
    /// How long a client may not read.
    patience: Duration,
    /// Where quick answers wait for each other, if they do.
    outbox: Option<Outbox>,
    began: Instant,
    /// For the answer that waits.
    ticket: Option<Ticket>,
}

impl Outlet {
    /// `patience` is how long a client may not read before the connection is given up.
    pub(crate) fn new(socket: Socket, buffer: Vec<u8>, patience: Duration, outbox: Option<Outbox>) -> Outlet {
        Outlet { socket, buffer, patience, outbox, began: Instant::now(), ticket: None }
    }

    /// Sends what is in the buffer, which is the last of the response: at once, or with the answers of others.
    pub(crate) fn post(&mut self) -> io::Result<()> {
        match &self.outbox {
            Some(outbox) if self.ticket.is_none() && self.buffer.len() < TOGETHER && self.began.elapsed() < QUICK => {
                self.ticket = Some(outbox.post(&self.socket, std::mem::take(&mut self.buffer)));
                Ok(())
            }
            _ => self.send(&[]),
        }
    }

    /// The buffer, and the ticket of what waits to be sent before it.
    pub(crate) fn into_rest(self) -> (Vec<u8>, Option<Ticket>) {
        (self.buffer, self.ticket)
    }

    /// Sends the buffer and then `content`, as far as the socket takes them; what it does not take is in the buffer
    /// behind that. More than [`BACKLOG`] is not kept there: then it is waited for the client.
    pub(crate) fn send(&mut self, content: &[u8]) -> io::Result<()> {
        let mut content = content;
        while !(self.buffer.is_empty() && content.is_empty()) {
            let slices = [IoSlice::new(&self.buffer), IoSlice::new(content)];
            let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
            match sendmsg(&self.socket, &slices, &mut SendAncillaryBuffer::default(), flags) {
                Ok(sent) => {
                    let from_buffer = sent.min(self.buffer.len());
                    self.buffer.drain(..from_buffer);
                    content = &content[sent - from_buffer..];
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::AGAIN) => break,
                Err(errno) => return Err(errno.into()),
            }
        }
        self.buffer.extend_from_slice(content);
        Ok(())
    }

    /// Whether so much lies unsent that the application is to wait.
    pub(crate) fn is_backlogged(&self) -> bool {
        self.buffer.len() > BACKLOG
    }

    /// Waits until the backlog is gone. To be called without the interpreter.
    pub(crate) fn wait(&mut self) -> io::Result<()> {
        while self.is_backlogged() {
            if !wait_for(self.socket.as_fd(), PollFlags::OUT, self.patience)? {
                return Err(io::ErrorKind::TimedOut.into());
            }
            self.send(&[])?;
        }
        Ok(())
    }
}
