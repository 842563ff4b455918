//! A client's socket, used past the event loop while its connection waits. No Python.

use std::io::{self, IoSlice};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::Arc;

use lab_net::Stream;
use lab_net::tls::Session;
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags, recv, sendmsg};

/// A socket, with the TLS session if there is one.
#[derive(Debug, Clone)]
pub(crate) struct ClientSocket {
    descriptor: Descriptor,
    session: Option<Arc<Session>>,
}

#[derive(Debug, Clone)]
enum Descriptor {
    /// The connection's own descriptor, for a call on its thread: the connection cannot close it meanwhile.
    Borrowed(RawFd),
    /// A duplicate, for a call on another thread.
    Owned(Arc<OwnedFd>),
}

impl ClientSocket {
    /// Borrows the socket of a connection for a call on its thread. Do not use it after the connection is dropped.
    pub(crate) fn borrowed(connection: &Stream) -> ClientSocket {
        let descriptor = Descriptor::Borrowed(connection.as_fd().as_raw_fd());
        ClientSocket { descriptor, session: connection.session().cloned() }
    }

    /// Duplicates the socket of a connection for calls on other threads.
    pub(crate) fn duplicate(connection: &Stream) -> io::Result<ClientSocket> {
        ClientSocket::borrowed(connection).to_owned_socket()
    }

    /// The same socket, usable without regard to its connection.
    pub(crate) fn to_owned_socket(&self) -> io::Result<ClientSocket> {
        let descriptor = match &self.descriptor {
            Descriptor::Borrowed(_) => Descriptor::Owned(Arc::new(self.as_fd().try_clone_to_owned()?)),
            Descriptor::Owned(fd) => Descriptor::Owned(Arc::clone(fd)),
        };
        Ok(ClientSocket { descriptor, session: self.session.clone() })
    }

    pub(crate) fn is_tls(&self) -> bool {
        self.session.is_some()
    }

    /// Sends `first` and then `second`, as much as the socket accepts without blocking.
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

    /// Receives the bytes that have arrived, without blocking; 0 at the end.
    pub(crate) fn receive(&self, into: &mut [u8]) -> io::Result<usize> {
        match &self.session {
            None => Ok(recv(self, into, RecvFlags::DONTWAIT)?.0),
            Some(session) => session.receive(self.as_fd(), into),
        }
    }
}

impl AsFd for ClientSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.descriptor {
            // SAFETY: the connection that owns the descriptor awaits the call in which this socket is used. When the
            // call has ended, the connection takes the response, which alone holds the socket, away from Python. A
            // thread of the application that waits beyond that end (in a response or for a body) holds a duplicate.
            Descriptor::Borrowed(fd) => unsafe { BorrowedFd::borrow_raw(*fd) },
            Descriptor::Owned(fd) => fd.as_fd(),
        }
    }
}
