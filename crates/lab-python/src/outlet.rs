//! The way of a response to its client, past the loop: bytes leave at once as far as the socket takes them, and what
//! it does not take is left for the loop to write. No Python.

use std::io::{self, IoSlice};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use lab_net::Stream;
use lab_net::tls::Session;
use rustix::event::PollFlags;
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags, recv, sendmsg};

use crate::awaited::wait_for;
use crate::kept::Kept;
use crate::outbox::{Outbox, QUICK, Ticket};

/// Bytes that may lie unsent before the application is made to wait for its client.
pub(crate) const BACKLOG: usize = 1024 * 1024;

/// Answers from this size on do not wait for others.
const TOGETHER: usize = 64 * 1024;

/// A socket that is used while its connection waits, and what is agreed on it if it is over TLS.
#[derive(Debug, Clone)]
pub(crate) struct Socket {
    descriptor: Descriptor,
    session: Option<Arc<Session>>,
}

#[derive(Debug, Clone)]
enum Descriptor {
    /// The connection's own descriptor, for a call in place: the connection cannot close it meanwhile.
    Borrowed(RawFd),
    /// A duplicate, for a call on another thread.
    Owned(Arc<OwnedFd>),
}

impl Socket {
    /// For a call in place. To be dropped, or not used again, before the connection is.
    pub(crate) fn borrowed(connection: &Stream) -> Socket {
        let descriptor = Descriptor::Borrowed(connection.as_fd().as_raw_fd());
        Socket { descriptor, session: connection.session().cloned() }
    }

    /// For calls on other threads.
    pub(crate) fn duplicate(connection: &Stream) -> io::Result<Socket> {
        Socket::borrowed(connection).owned()
    }

    /// The same socket, to be used for as long as it takes.
    pub(crate) fn owned(&self) -> io::Result<Socket> {
        let descriptor = match &self.descriptor {
            Descriptor::Borrowed(_) => Descriptor::Owned(Arc::new(self.as_fd().try_clone_to_owned()?)),
            Descriptor::Owned(fd) => Descriptor::Owned(Arc::clone(fd)),
        };
        Ok(Socket { descriptor, session: self.session.clone() })
    }

    /// Whether bytes are sent as they are.
    pub(crate) fn is_plain(&self) -> bool {
        self.session.is_none()
    }

    /// Sends the one and then the other, as far as the socket takes it without being waited for.
    pub(crate) fn send(&self, first: &[u8], second: &[u8]) -> io::Result<usize> {
        let Some(session) = &self.session else {
            let slices = [IoSlice::new(first), IoSlice::new(second)];
            let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
            return Ok(sendmsg(self, &slices, &mut SendAncillaryBuffer::default(), flags)?);
        };
        let sent = if first.is_empty() { 0 } else { session.send(self.as_fd(), first)? };
        if sent < first.len() || second.is_empty() {
            return Ok(sent);
        }
        match session.send(self.as_fd(), second) {
            Ok(more) => Ok(sent + more),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && sent > 0 => Ok(sent),
            Err(error) => Err(error),
        }
    }

    /// Receives what is there; 0 at the end.
    pub(crate) fn receive(&self, into: &mut [u8]) -> io::Result<usize> {
        match &self.session {
            None => Ok(recv(self, into, RecvFlags::DONTWAIT)?.0),
            Some(session) => session.receive(self.as_fd(), into),
        }
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.descriptor {
            // SAFETY: the connection that owns the descriptor awaits the call in which this socket is used, and takes
            // the response, the only one to hold it, away from Python when the call has ended. What a thread of the
            // application may wait with beyond that end holds a duplicate: a response that waits, and a body.
            Descriptor::Borrowed(fd) => unsafe { BorrowedFd::borrow_raw(*fd) },
            Descriptor::Owned(fd) => fd.as_fd(),
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
    /// What is to be sent behind the buffer.
    content: Option<Kept>,
    /// Where quick answers wait for each other, if they do.
    outbox: Option<Outbox>,
    began: Instant,
    /// For the answer that waits.
    ticket: Option<Ticket>,
}

impl Outlet {
    /// `patience` is how long a client may not read before the connection is given up.
    pub(crate) fn new(socket: Socket, buffer: Vec<u8>, patience: Duration, outbox: Option<Outbox>) -> Outlet {
        // What waits there is sent as it is.
        let outbox = outbox.filter(|_| socket.is_plain());
        Outlet { socket, buffer, content: None, patience, outbox, began: Instant::now(), ticket: None }
    }

    /// Sends what is in the buffer, which is the last of the response: at once, or with the answers of others.
    pub(crate) fn post(&mut self) -> io::Result<()> {
        match &self.outbox {
            Some(outbox) if self.ticket.is_none() && self.length() < TOGETHER && self.began.elapsed() < QUICK => {
                let (buffer, content) = (std::mem::take(&mut self.buffer), self.content.take());
                self.ticket = Some(outbox.post(self.socket.as_fd(), buffer, content));
                Ok(())
            }
            _ => match self.content.take() {
                Some(content) => self.send(&content),
                None => self.send(&[]),
            },
        }
    }

    /// Has the last content of the response sent from where it lies; to be followed by [`post`](Outlet::post).
    pub(crate) fn keep(&mut self, content: Kept) {
        self.content = Some(content);
    }

    fn length(&self) -> usize {
        self.buffer.len() + self.content.as_ref().map_or(0, |content| content.len())
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
            match self.socket.send(&self.buffer, content) {
                Ok(sent) => {
                    let from_buffer = sent.min(self.buffer.len());
                    self.buffer.drain(..from_buffer);
                    content = &content[sent - from_buffer..];
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
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
        // It may be a thread of the application that waits, and the call may end meanwhile.
        self.socket = self.socket.owned()?;
        while self.is_backlogged() {
            if !wait_for(self.socket.as_fd(), PollFlags::OUT, self.patience)? {
                return Err(io::ErrorKind::TimedOut.into());
            }
            self.send(&[])?;
        }
        Ok(())
    }
}
