//! The reading side of a connection.

use std::future::poll_fn;
use std::io;
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, ReadBuf};

use super::decode::BodyDecoder;
use super::limits::Limits;
use super::parse::{RequestParser, ResponseParser};
use crate::message::head::{RequestHead, ResponseHead};
use crate::message::refusal::Refusal;
use crate::pool::{LARGE, NORMAL, ReadBuffer};

/// Reads heads and bodies from `R`. Bytes received early (the start of a body, a pipelined request) stay in the buffer.
/// Every method is cancel-safe.
///
/// After an error nothing more can be read as HTTP; only [`discard`](Incoming::discard) remains.
#[derive(Debug)]
pub struct Incoming<R> {
    io: R,
    limits: Limits,
    buffer: ReadBuffer,
    /// The range of unread bytes in the buffer.
    unread: Range<usize>,
    /// Whether the last read filled the buffer.
    was_filled: bool,
    /// Whether to start with a large buffer: responses are large more often than requests.
    prefers_large: bool,
    received: u64,
    request: RequestParser,
    response: ResponseParser,
}

/// The reason why nothing could be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("the connection failed: {0}")]
    Io(#[from] io::Error),
}

impl<R: AsyncRead + Unpin> Incoming<R> {
    pub fn new(io: R, limits: Limits) -> Incoming<R> {
        Incoming {
            io,
            limits,
            buffer: ReadBuffer::default(),
            unread: 0..0,
            was_filled: false,
            prefers_large: false,
            received: 0,
            request: RequestParser::default(),
            response: ResponseParser::default(),
        }
    }

    /// As [`new`](Incoming::new), for a peer that may send large bodies: the first read takes a large buffer if the
    /// pool has one, as it does after earlier large bodies.
    pub fn with_large_buffer(io: R, limits: Limits) -> Incoming<R> {
        Incoming { prefers_large: true, ..Incoming::new(io, limits) }
    }

    /// Waits for the next byte; false if the connection ended instead. An idle connection waits here.
    pub async fn wait(&mut self) -> io::Result<bool> {
        self.release_large_buffer();
        Ok(!self.unread.is_empty() || self.fill().await? > 0)
    }

    /// Reads a request head; None if the connection ended before its first byte. If the connection ends within it, that
    /// is [`Refusal::Truncated`].
    pub async fn read_request_head(&mut self) -> Result<Option<RequestHead>, ReadError> {
        self.release_large_buffer();
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
        self.release_large_buffer();
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

    /// Reads the available content of a body, waiting if there is none; None at its end.
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

    /// Reads and drops the rest of a body, unless that is more than `bound` bytes of content. False if it is: then the
    /// connection cannot be reused.
    pub async fn drain(&mut self, body: &mut BodyDecoder, bound: u64) -> Result<bool, ReadError> {
        if body.remaining().is_some_and(|remaining| remaining > bound) {
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

    /// Reads and drops what still arrives, up to `bound` bytes or the end of the connection. Call it after shutting
    /// down the writing side: closing with unread bytes would reset the connection, and the peer could lose the
    /// response (RFC 9112 §9.6). The caller limits the time.
    pub async fn discard(&mut self, bound: u64) -> io::Result<()> {
        let mut remaining = bound;
        loop {
            self.unread = 0..0;
            match self.fill().await? {
                0 => return Ok(()),
                read => match remaining.checked_sub(read as u64) {
                    Some(rest) => remaining = rest,
                    None => return Ok(()),
                },
            }
        }
    }

    /// Reads once and drops the bytes, with everything unread before them. Returns the number of bytes read; 0 at the
    /// end of the connection. As [`discard`](Incoming::discard), for a caller that limits each wait.
    pub async fn discard_once(&mut self) -> io::Result<usize> {
        self.unread = 0..0;
        let read = self.fill().await?;
        self.unread = 0..0;
        Ok(read)
    }

    /// Reads once into the buffer, after the unread bytes; 0 at the end of the connection.
    pub fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.make_room();
        let mut room = ReadBuf::new(&mut self.buffer[self.unread.end..]);
        let result = Pin::new(&mut self.io).poll_read(cx, &mut room);
        let (read, is_filled) = (room.filled().len(), room.remaining() == 0);
        if result.is_pending() && self.unread.is_empty() && matches!(self.buffer.len(), NORMAL | LARGE) {
            // other connections can use the buffer while this one waits
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
            if body.is_finished() {
                if self.unread.is_empty() {
                    // the next message may take long, and a shared buffer stays in the processor's caches
                    self.buffer = ReadBuffer::default();
                    self.unread = 0..0;
                    self.was_filled = false;
                }
                return Poll::Ready(Ok(None));
            }
            if ready!(self.poll_fill(cx))? == 0 {
                body.handle_eof()?;
            }
        }
    }

    /// Releases a buffer that grew for a large head or body.
    fn release_large_buffer(&mut self) {
        if self.unread.is_empty() && self.buffer.len() > NORMAL {
            self.buffer = ReadBuffer::default();
            self.unread = 0..0;
            self.was_filled = false;
        }
    }

    /// Makes room after the unread bytes.
    fn make_room(&mut self) {
        if self.unread.is_empty() {
            self.unread = 0..0;
            if self.was_filled && self.buffer.len() < LARGE {
                self.buffer = ReadBuffer::take_large();
            } else if self.buffer.is_empty() {
                self.buffer = if self.prefers_large { ReadBuffer::take_largest() } else { ReadBuffer::take() };
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
    /// The bytes received and not read yet.
    pub fn buffered(&self) -> &[u8] {
        &self.buffer[self.unread.clone()]
    }

    /// The number of bytes received since the connection began.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Takes the bytes received and not read yet, for a caller that reads the connection itself.
    pub fn take_buffered(&mut self) -> Vec<u8> {
        let taken = self.buffered().to_vec();
        self.unread = 0..0;
        taken
    }

    /// Puts bytes back in front of the unread ones.
    pub fn unread(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() {
            let all = [bytes, self.buffered()].concat();
            let mut buffer = ReadBuffer::take();
            buffer.grow(all.len());
            buffer[..all.len()].copy_from_slice(&all);
            self.buffer = buffer;
            self.unread = 0..all.len();
        }
    }

    /// Changes the limits of the heads that follow.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// The connection. Bytes read from it directly bypass the buffer.
    pub fn io_mut(&mut self) -> &mut R {
        &mut self.io
    }

    pub fn io(&self) -> &R {
        &self.io
    }

    /// The connection. Unread bytes in the buffer are lost.
    pub fn into_io(self) -> R {
        self.io
    }
}
