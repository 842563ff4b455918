//! Writes a response past the event loop: bytes are sent at once as far as the socket accepts them, and the rest is left
//! for the event loop. No Python.

use std::io;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use rustix::event::PollFlags;

use crate::client_socket::ClientSocket;
use crate::pinned_bytes::PinnedBytes;
use crate::response_batch::{BatchTicket, QUICK_CALL, ResponseBatch};
use crate::socket_wait::wait_for;

/// How many bytes may be unsent before the application has to wait for its client.
const BACKLOG: usize = 1024 * 1024;

/// Responses of this size or more are not batched.
const LARGEST_BATCHED: usize = 64 * 1024;

/// The writing side of one request.
#[derive(Debug)]
pub(crate) struct ResponseWriter {
    socket: ClientSocket,
    /// Bytes to send next.
    pub(crate) buffer: Vec<u8>,
    /// How long the client may read nothing.
    send_timeout: Duration,
    /// Bytes to send after the buffer.
    content: Option<PinnedBytes>,
    batch: Option<ResponseBatch>,
    began: Instant,
    /// Set when the response is in the batch.
    ticket: Option<BatchTicket>,
}

impl ResponseWriter {
    pub(crate) fn new(
        socket: ClientSocket,
        buffer: Vec<u8>,
        send_timeout: Duration,
        batch: Option<ResponseBatch>,
    ) -> ResponseWriter {
        // The batch sends bytes as they are, so it cannot be used with TLS.
        let batch = batch.filter(|_| !socket.is_tls());
        ResponseWriter { socket, buffer, content: None, send_timeout, batch, began: Instant::now(), ticket: None }
    }

    /// Sends the last bytes of the response: at once, or together with other responses.
    pub(crate) fn send_last(&mut self) -> io::Result<()> {
        match &self.batch {
            Some(batch)
                if self.ticket.is_none() && self.length() < LARGEST_BATCHED && self.began.elapsed() < QUICK_CALL =>
            {
                let (buffer, content) = (std::mem::take(&mut self.buffer), self.content.take());
                self.ticket = Some(batch.add(self.socket.as_fd(), buffer, content));
                Ok(())
            }
            _ => match self.content.take() {
                Some(content) => self.send(&content),
                None => self.send(&[]),
            },
        }
    }

    /// Sets the last content of the response, to be sent without a copy. Call [`send_last`](ResponseWriter::send_last)
    /// next.
    pub(crate) fn set_last_content(&mut self, content: PinnedBytes) {
        self.content = Some(content);
    }

    fn length(&self) -> usize {
        self.buffer.len() + self.content.as_ref().map_or(0, |content| content.len())
    }

    /// The unsent buffer, and the ticket of bytes in the batch that come before it.
    pub(crate) fn into_unsent(self) -> (Vec<u8>, Option<BatchTicket>) {
        (self.buffer, self.ticket)
    }

    /// Sends the buffer and then `content`, as much as the socket accepts. The rest is then in the buffer.
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

    /// Whether so many bytes are unsent that the application has to wait.
    pub(crate) fn is_backlogged(&self) -> bool {
        self.buffer.len() > BACKLOG
    }

    /// Blocks until the backlog is gone. Call it detached from the interpreter.
    pub(crate) fn wait(&mut self) -> io::Result<()> {
        // This may be a thread of the application, and the call may end while it waits.
        self.socket = self.socket.to_owned_socket()?;
        while self.is_backlogged() {
            if !wait_for(self.socket.as_fd(), PollFlags::OUT, self.send_timeout)? {
                return Err(io::ErrorKind::TimedOut.into());
            }
            self.send(&[])?;
        }
        Ok(())
    }
}
