//! The reading side of a connection: heads and bodies through one reused buffer.

use std::future::poll_fn;
use std::io;
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, ReadBuf};

use crate::body::BodyDecoder;
use crate::head::{RequestHead, ResponseHead};
use crate::limits::Limits;
use crate::parse::{RequestParser, ResponseParser};
use crate::pool::{LARGE, ReadBuffer, USUAL};
use crate::refusal::Refusal;

/// Reads messages from `R`. What was received but not asked for yet (the start of a body, a pipelined request) stays
/// in the buffer. Every method can be dropped while it waits, and called again.
///
/// After an error nothing more may be read as HTTP; [`discard`](Incoming::discard) is what is left to do.
#[derive(Debug)]
pub struct Incoming<R> {
    io: R,
    limits: Limits,
    buffer: ReadBuffer,
    /// Where the unread bytes lie in the buffer.
    unread: Range<usize>,
    /// Whether the last read filled all the room there was.
    was_filled: bool,
    /// Whether what is read may be large: answers are more often than requests.
    takes_largest: bool,
    /// Bytes received since the connection began.
    received: u64,
    request: RequestParser,
    response: ResponseParser,
}

/// Why nothing could be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// What was received is not to be accepted.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The connection failed.
    #[error("the connection failed: {0}")]
    Io(#[from] io::Error),
}

impl<R: AsyncRead + Unpin> Incoming<R> {
    /// With an empty buffer.
    pub fn new(io: R, limits: Limits) -> Incoming<R> {
        Incoming {
            io,
            limits,
            buffer: ReadBuffer::default(),
            unread: 0..0,
            was_filled: false,
            takes_largest: false,
            received: 0,
            request: RequestParser::default(),
            response: ResponseParser::default(),
        }
    }

    /// As [`new`](Incoming::new), for a side that may send much: it is read into a large buffer at once where one lies
    /// ready, which is where bodies have been large before.
    pub fn of_much(io: R, limits: Limits) -> Incoming<R> {
        Incoming { takes_largest: true, ..Incoming::new(io, limits) }
    }

    /// Waits until a byte is there; false if the connection ended instead. This is where an idle connection waits.
    pub async fn wait(&mut self) -> io::Result<bool> {
        self.settle();
        Ok(!self.unread.is_empty() || self.fill().await? > 0)
    }

    /// Reads a request head; None if the connection ended before its first byte. An end within it is
    /// [`Refusal::Truncated`].
    pub async fn read_request_head(&mut self) -> Result<Option<RequestHead>, ReadError> {
        self.settle();
        loop {
            if let Some((head, length)) = self.request.advance(&self.buffer[self.unread.clone()], &self.limits)? {
                self.unread.start += length;
                return Ok(Some(head));
            }
            if self.fill().await? == 0 {
                return if self.unread.is_empty() { Ok(None) } else { Err(Refusal::Truncated.into()) };
            }
        }
    }

    /// Reads a response head, interim ones included (see [`ResponseHead::is_interim`]); None if the connection ended
    /// before its first byte.
    pub async fn read_response_head(&mut self) -> Result<Option<ResponseHead>, ReadError> {
        self.settle();
        loop {
            if let Some((head, length)) = self.response.advance(&self.buffer[self.unread.clone()], &self.limits)? {
                self.unread.start += length;
                return Ok(Some(head));
            }
            if self.fill().await? == 0 {
                return if self.unread.is_empty() { Ok(None) } else { Err(Refusal::Truncated.into()) };
            }
        }
    }

    /// Reads some content of a body, as much as is there; None at its end.
    pub async fn read_body_piece(&mut self, body: &mut BodyDecoder) -> Result<Option<&[u8]>, ReadError> {
        let content = poll_fn(|cx| self.poll_content(cx, body)).await?;
        Ok(content.map(|content| &self.buffer[content]))
    }

    /// As [`read_body_piece`](Incoming::read_body_piece), for code that polls.
    pub fn poll_body_piece(
        &mut self,
        cx: &mut Context<'_>,
        body: &mut BodyDecoder,
    ) -> Poll<Result<Option<&[u8]>, ReadError>> {
        let content = ready!(self.poll_content(cx, body))?;
        Poll::Ready(Ok(content.map(|content| &self.buffer[content])))
    }

    /// Reads the rest of a body and throws it away, if that takes no more than `bound` bytes of content. False if it
    /// does: then the connection cannot be used for another message.
    pub async fn drain(&mut self, body: &mut BodyDecoder, bound: u64) -> Result<bool, ReadError> {
        if body.left().is_some_and(|left| left > bound) {
            return Ok(false);
        }
        let mut drained = 0;
        while let Some(content) = self.read_body_piece(body).await? {
            drained += content.len() as u64;
            if drained > bound {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Reads whatever still arrives and throws it away, up to `bound` bytes or the end of the connection. To be called
    /// after the writing side was shut down: closing with unread bytes would reset the connection, and the peer would
    /// lose the answer (RFC 9112 §9.6). The caller bounds the time.
    pub async fn discard(&mut self, bound: u64) -> io::Result<()> {
        let mut left = bound;
        loop {
            self.unread = 0..0;
            match self.fill().await? {
                0 => return Ok(()),
                read => match left.checked_sub(read as u64) {
                    Some(rest) => left = rest,
                    None => return Ok(()),
                },
            }
        }
    }

    /// Reads once, behind what is in the buffer; 0 at the end of the connection.
    pub fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.make_room();
        let mut room = ReadBuf::new(&mut self.buffer[self.unread.end..]);
        let result = Pin::new(&mut self.io).poll_read(cx, &mut room);
        let (read, is_filled) = (room.filled().len(), room.remaining() == 0);
        if result.is_pending() && self.unread.is_empty() && matches!(self.buffer.len(), USUAL | LARGE) {
            // others can use it while this connection waits
            self.buffer = ReadBuffer::default();
            self.unread = 0..0;
        }
        ready!(result)?;
        self.was_filled = is_filled;
        self.unread.end += read;
        self.received += read as u64;
        Poll::Ready(Ok(read))
    }

    async fn fill(&mut self) -> io::Result<usize> {
        poll_fn(|cx| self.poll_fill(cx)).await
    }

    fn poll_content(
        &mut self,
        cx: &mut Context<'_>,
        body: &mut BodyDecoder,
    ) -> Poll<Result<Option<Range<usize>>, ReadError>> {
        loop {
            let piece = body.decode(&self.buffer[self.unread.clone()])?;
            let start = self.unread.start + piece.framing;
            self.unread.start = start + piece.content;
            if piece.content > 0 {
                return Poll::Ready(Ok(Some(start..self.unread.start)));
            }
            if body.is_at_end() {
                if self.unread.is_empty() {
                    // the next message may be long in coming, and a buffer that others use stays in the caches
                    self.buffer = ReadBuffer::default();
                    self.unread = 0..0;
                    self.was_filled = false;
                }
                return Poll::Ready(Ok(None));
            }
            if ready!(self.poll_fill(cx))? == 0 {
                body.end_of_connection()?;
            }
        }
    }

    /// Gives back what a large head or body made the buffer grow by.
    fn settle(&mut self) {
        if self.unread.is_empty() && self.buffer.len() > USUAL {
            self.buffer = ReadBuffer::default();
            self.unread = 0..0;
            self.was_filled = false;
        }
    }

    /// Makes sure that there is room behind the unread bytes.
    fn make_room(&mut self) {
        if self.unread.is_empty() {
            self.unread = 0..0;
            if self.was_filled && self.buffer.len() < LARGE {
                self.buffer = ReadBuffer::take_large();
            } else if self.buffer.is_empty() {
                self.buffer = if self.takes_largest { ReadBuffer::take_largest() } else { ReadBuffer::take() };
            }
        } else if self.unread.end == self.buffer.len() {
            if self.unread.start > 0 {
                self.buffer.copy_within(self.unread.clone(), 0);
                self.unread = 0..self.unread.len();
            } else {
                self.buffer.grow(self.buffer.len() * 2);
            }
        }
    }
}

impl<R> Incoming<R> {
    /// What was received and not read yet.
    pub fn buffered(&self) -> &[u8] {
        &self.buffer[self.unread.clone()]
    }

    /// How many bytes were received since the connection began.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Takes what was received and not read yet, for someone who reads the connection in another way for a while.
    pub fn take_buffered(&mut self) -> Vec<u8> {
        let taken = self.buffered().to_vec();
        self.unread = 0..0;
        taken
    }

    /// Puts back what such a reader has read too much, in front of everything else.
    pub fn give_back(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() {
            let all = [bytes, self.buffered()].concat();
            let mut buffer = ReadBuffer::take();
            buffer.grow(all.len());
            buffer[..all.len()].copy_from_slice(&all);
            self.buffer = buffer;
            self.unread = 0..all.len();
        }
    }

    /// The connection itself, for instance to write to it. What is read past this type is lost to it.
    pub fn io_mut(&mut self) -> &mut R {
        &mut self.io
    }

    /// The connection itself.
    pub fn io(&self) -> &R {
        &self.io
    }

    /// The connection itself; what was received and not read is lost.
    pub fn into_io(self) -> R {
        self.io
    }
}
