//! Writes a response past the event loop: bytes are sent at once as far as the socket accepts them, and the rest is left
//! for the event loop. What a slow client does not accept waits in memory, then in a file, and the application goes on.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use lab_net::spool::SpoolShare;
use pyo3::Python;

use crate::client_socket::ClientSocket;
use crate::pinned_bytes::PinnedBytes;
use crate::response_batch::{BatchTicket, ResponseBatch};
use crate::response_spool::ResponseSpool;
use crate::unsent_memory::UnsentMemory;

/// How many bytes may be unsent in memory.
const BACKLOG: usize = 1024 * 1024;
/// How many of them collect before they are added to a file.
const SPOOL_BLOCK: usize = 64 * 1024;

/// Responses of this size or more are not batched.
const LARGEST_BATCHED: usize = 64 * 1024;

/// The limits of the unsent part of a response: how long it may wait for its client, and its size.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SendLimits {
    /// How long a call may take whose response joins the batch.
    pub(crate) quick_call: Duration,
    /// Whether a slow client's response is kept in a file, so that the application goes on. Otherwise it waits early.
    pub(crate) is_read_ahead: bool,
    /// How long the client may read nothing.
    pub(crate) send_timeout: Duration,
    /// How long the application may wait for the client in total.
    pub(crate) longest_wait: Duration,
    /// Bytes that may be kept in a file.
    pub(crate) spool: u64,
    pub(crate) spool_share: SpoolShare,
}

/// The writing side of one request. Unsent bytes are in the spool, the buffer and the content, in this order.
#[derive(Debug)]
pub(crate) struct ResponseWriter {
    socket: ClientSocket,
    spool: Option<ResponseSpool>,
    /// Whether a file was refused, so that the application has to wait instead.
    is_spool_refused: bool,
    pub(crate) buffer: Vec<u8>,
    content: Option<PinnedBytes>,
    limits: SendLimits,
    /// How long the application has waited for the client.
    waited: Duration,
    batch: Option<ResponseBatch>,
    began: Instant,
    /// Set when the response is in the batch.
    ticket: Option<BatchTicket>,
}

/// The unsent bytes of a response, in this order.
#[derive(Debug, Default)]
pub(crate) struct UnsentBytes {
    pub(crate) spool: Option<ResponseSpool>,
    /// Bytes in the batch.
    pub(crate) ticket: Option<BatchTicket>,
    pub(crate) buffer: Vec<u8>,
    pub(crate) content: Option<PinnedBytes>,
    /// The memory of buffer and content, unless it is small or shared with the application.
    pub(crate) memory: Option<UnsentMemory>,
}

impl ResponseWriter {
    pub(crate) fn new(
        socket: ClientSocket,
        buffer: Vec<u8>,
        limits: SendLimits,
        batch: Option<ResponseBatch>,
    ) -> ResponseWriter {
        // The batch sends bytes as they are, so it cannot be used with TLS.
        let batch = batch.filter(|_| !socket.is_tls());
        ResponseWriter {
            socket,
            spool: None,
            is_spool_refused: false,
            buffer,
            content: None,
            limits,
            waited: Duration::ZERO,
            batch,
            began: Instant::now(),
            ticket: None,
        }
    }

    /// Sends the last bytes of the response: at once, or together with other responses.
    pub(crate) fn send_last(&mut self) -> io::Result<()> {
        match &self.batch {
            Some(batch)
                if self.ticket.is_none()
                    && self.spool.is_none()
                    && self.length() < LARGEST_BATCHED
                    && self.began.elapsed() < self.limits.quick_call =>
            {
                let (buffer, content) = (std::mem::take(&mut self.buffer), self.content.take());
                self.ticket = Some(batch.add(self.socket.as_fd(), buffer, content));
                Ok(())
            }
            batch => {
                // They have waited for this call.
                batch.as_ref().inspect(|batch| batch.send_all());
                self.send(&[])
            }
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

    /// Sends the unsent bytes and then `content`, as much as the socket accepts. The rest is kept. There is no `content`
    /// after the last one.
    pub(crate) fn send(&mut self, content: &[u8]) -> io::Result<()> {
        if let Some(mut last) = self.content.take() {
            let unsent = self.send_now(&last)?.len();
            last.advance(last.len() - unsent);
            self.content = Some(last).filter(|_| unsent > 0);
            return Ok(());
        }
        let unsent = self.send_now(content)?;
        self.buffer.extend_from_slice(unsent);
        if self.buffer.len() > if self.spool.is_some() { SPOOL_BLOCK } else { BACKLOG } {
            self.spool_buffer();
        }
        Ok(())
    }

    /// Sends the spool, the buffer and then `content`. Returns the unsent part of `content`.
    fn send_now<'c>(&mut self, content: &'c [u8]) -> io::Result<&'c [u8]> {
        if let Some(spool) = &mut self.spool {
            spool.send(&self.socket)?;
            if spool.left() > 0 {
                return Ok(content);
            }
            self.spool = None;
        }
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
        Ok(content)
    }

    /// Moves the buffer to the spool, if that is allowed and possible.
    fn spool_buffer(&mut self) {
        let spooled = self.spool.as_ref().map_or(0, ResponseSpool::left);
        if self.is_spool_refused || spooled + self.buffer.len() as u64 > self.limits.spool {
            return;
        }
        match self.push_to_spool(None) {
            Ok(()) => {}
            Err(error) => {
                tracing::warn!("a response waits for its client, because it cannot be kept: {error}");
                self.is_spool_refused = true;
            }
        }
    }

    /// Appends the buffer and `content` to the spool.
    fn push_to_spool(&mut self, content: Option<&[u8]>) -> io::Result<()> {
        let spool = match &mut self.spool {
            Some(spool) => spool,
            None => self.spool.insert(ResponseSpool::new(self.limits.spool_share)?),
        };
        spool.push(&self.buffer)?;
        self.buffer = Vec::new();
        content.map_or(Ok(()), |content| spool.push(content))
    }

    /// Whether the buffer is as large as it may be.
    pub(crate) fn is_full(&self) -> bool {
        self.buffer.len() > BACKLOG
    }

    /// Whether the application has to wait, because too many bytes are unsent.
    pub(crate) fn is_backlogged(&self) -> bool {
        if self.limits.is_read_ahead {
            return self.is_full();
        }
        let spooled = self.spool.as_ref().map_or(0, ResponseSpool::left);
        spooled + self.buffer.len() as u64 > SPOOL_BLOCK as u64
    }

    /// Keeps the socket open beyond the end of the call, for a thread of the application that still waits then.
    pub(crate) fn own_socket(&mut self) -> io::Result<()> {
        self.socket = self.socket.to_owned_socket()?;
        Ok(())
    }

    /// Waits until the backlog is gone. The socket must be [owned](ResponseWriter::own_socket). `wait_writable` waits for a socket, and returns false if that takes longer than its
    /// timeout.
    pub(crate) fn wait<E: From<io::Error>>(
        &mut self,
        mut wait_writable: impl FnMut(BorrowedFd<'_>, Duration) -> Result<bool, E>,
    ) -> Result<(), E> {
        while self.is_backlogged() {
            let began = Instant::now();
            let left = self.limits.longest_wait.saturating_sub(self.waited);
            if !wait_writable(self.socket.as_fd(), self.limits.send_timeout.min(left))? {
                tracing::warn!("a client did not read its response in time, and is cut off");
                return Err(io::Error::from(io::ErrorKind::TimedOut).into());
            }
            self.waited += began.elapsed();
            self.send(&[])?;
        }
        Ok(())
    }

    /// What is left for the event loop to send. Content that the application holds as well costs nothing to keep. If others
    /// keep much in memory already, the rest goes to a file.
    pub(crate) fn into_unsent(mut self, py: Python<'_>) -> UnsentBytes {
        let mut content = self.content.take();
        let own_content = content.as_ref().filter(|content| !content.is_shared(py)).map_or(0, |content| content.len());
        let own = self.buffer.len() + own_content;
        let mut memory = None;
        if own > SPOOL_BLOCK {
            memory = UnsentMemory::claim(own);
            if memory.is_none() && !self.is_spool_refused && own as u64 <= self.limits.spool {
                let spooled = self.push_to_spool(if own_content > 0 { content.as_deref() } else { None });
                // A spool that fails for the content has the buffer, and the content follows it from memory.
                if spooled.is_ok() && own_content > 0 {
                    content = None;
                }
            }
        }
        UnsentBytes { spool: self.spool, ticket: self.ticket, buffer: self.buffer, content, memory }
    }
}
