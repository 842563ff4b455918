//! The writing side of a connection.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::AsyncWrite;

use super::encode::{BodyEncoder, LengthError};
use crate::message::headers::Headers;
use crate::pool;

/// Content of at least this size is written without a copy; smaller content is appended to the buffer.
const DIRECT_WRITE_FROM: usize = 16 * 1024;

/// The same for writes that do not wait for the peer.
const NONBLOCKING_WRITE_FROM: usize = 8 * 1024;

/// Writes messages to `W` in few writes. Heads and small content collect in a buffer until [`flush`](Outgoing::flush),
/// which must be called before waiting for anything else.
#[derive(Debug)]
pub struct Outgoing<W> {
    io: W,
    buffer: Vec<u8>,
    /// The number of bytes of the buffer that have been written.
    written: usize,
}

/// The reason why nothing could be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    #[error(transparent)]
    Length(#[from] LengthError),
    #[error("the connection failed: {0}")]
    Io(#[from] io::Error),
}

impl<W: AsyncWrite + Unpin> Outgoing<W> {
    pub fn new(io: W) -> Outgoing<W> {
        Outgoing { io, buffer: Vec::new(), written: 0 }
    }

    /// Writes a piece of content with its framing. Not cancel-safe: if it is dropped while it waits, the connection is
    /// unusable.
    pub async fn write_piece(&mut self, encoder: &mut BodyEncoder, content: &[u8]) -> Result<(), WriteError> {
        encoder.begin_piece(self.buffer(), content.len())?;
        if content.len() >= DIRECT_WRITE_FROM {
            self.write_with(content).await?;
        } else {
            self.buffer().extend_from_slice(content);
        }
        encoder.end_piece(self.buffer(), content.len());
        if self.buffer.len() >= DIRECT_WRITE_FROM {
            self.write_with(&[]).await?;
        }
        Ok(())
    }

    /// As [`write_piece`](Outgoing::write_piece), but without waiting: the buffer keeps what the peer does not accept
    /// at once, without a limit. See [`unwritten`](Outgoing::unwritten).
    pub async fn write_piece_nonblocking(
        &mut self,
        encoder: &mut BodyEncoder,
        content: &[u8],
    ) -> Result<(), WriteError> {
        encoder.begin_piece(self.buffer(), content.len())?;
        let mut left = content;
        if content.len() >= NONBLOCKING_WRITE_FROM {
            poll_fn(|cx| self.poll_write_now(cx, &mut left)).await?;
        }
        self.buffer().extend_from_slice(left);
        encoder.end_piece(self.buffer(), content.len());
        if self.buffer.len() >= DIRECT_WRITE_FROM {
            poll_fn(|cx| self.poll_write_now(cx, &mut &[][..])).await?;
        }
        Ok(())
    }

    /// Writes the end of a body and flushes the buffer.
    pub async fn finish_body(
        &mut self,
        encoder: &mut BodyEncoder,
        trailers: Option<&Headers>,
    ) -> Result<(), WriteError> {
        encoder.finish(self.buffer(), trailers)?;
        Ok(self.flush().await?)
    }

    /// Writes the buffer and then `content` until the peer accepts no more, but waits for at least one byte. Returns how
    /// many bytes of `content` were written. For a time limit on each write of a long message. Not cancel-safe.
    pub async fn write_some(&mut self, content: &[u8]) -> io::Result<usize> {
        let before = self.unwritten() + content.len();
        let mut rest = content;
        poll_fn(|cx| match self.poll_write_with(cx, &mut rest) {
            Poll::Pending if self.unwritten() + rest.len() < before => Poll::Ready(Ok(())),
            polled => polled,
        })
        .await?;
        Ok(content.len() - rest.len())
    }

    /// Writes the whole buffer. Cancel-safe.
    pub async fn flush(&mut self) -> io::Result<()> {
        poll_fn(|cx| self.poll_flush(cx)).await
    }

    /// As [`flush`](Outgoing::flush), for code that polls.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_write_with(cx, &mut &[][..]))?;
        Pin::new(&mut self.io).poll_flush(cx)
    }

    /// Flushes the buffer and closes the writing side.
    pub async fn shutdown(&mut self) -> io::Result<()> {
        self.flush().await?;
        poll_fn(|cx| Pin::new(&mut self.io).poll_shutdown(cx)).await
    }

    /// Writes the buffer and then `content`, with vectored writes if possible.
    async fn write_with(&mut self, content: &[u8]) -> io::Result<()> {
        let mut content = content;
        poll_fn(|cx| self.poll_write_with(cx, &mut content)).await
    }

    /// Writes as much as the peer accepts, and is always ready.
    fn poll_write_now(&mut self, cx: &mut Context<'_>, content: &mut &[u8]) -> Poll<io::Result<()>> {
        let written = self.poll_write_with(cx, content);
        // without this, a buffer that never empties would keep its written bytes
        if self.written > self.buffer.len() / 2 {
            self.buffer.drain(..self.written);
            self.written = 0;
        }
        if written.is_pending() { Poll::Ready(Ok(())) } else { written }
    }

    fn poll_write_with(&mut self, cx: &mut Context<'_>, content: &mut &[u8]) -> Poll<io::Result<()>> {
        loop {
            let buffered = &self.buffer[self.written..];
            let slices = [IoSlice::new(buffered), IoSlice::new(content)];
            let written = match (buffered, *content) {
                ([], []) => {
                    self.release_written();
                    return Poll::Ready(Ok(()));
                }
                (only, []) | ([], only) => ready!(Pin::new(&mut self.io).poll_write(cx, only))?,
                _ => ready!(Pin::new(&mut self.io).poll_write_vectored(cx, &slices))?,
            };
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            let from_buffer = written.min(buffered.len());
            self.written += from_buffer;
            *content = &content[written - from_buffer..];
        }
    }
}

impl<W> Outgoing<W> {
    /// The buffer for heads; see [`write`](mod@super::write).
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        if self.buffer.capacity() == 0 {
            self.buffer = pool::take_for_writing();
        }
        &mut self.buffer
    }

    /// The number of bytes not yet written.
    pub fn unwritten(&self) -> usize {
        self.buffer.len() - self.written
    }

    pub fn is_flushed(&self) -> bool {
        self.buffer.is_empty()
    }

    pub fn io_mut(&mut self) -> &mut W {
        &mut self.io
    }

    /// The connection and the unwritten bytes, for a caller that writes them itself and then calls
    /// [`mark_written`](Outgoing::mark_written).
    pub fn parts(&self) -> (&W, &[u8]) {
        (&self.io, &self.buffer[self.written..])
    }

    /// Removes `count` bytes from the unwritten ones.
    pub fn mark_written(&mut self, count: usize) {
        self.written += count;
        self.release_written();
    }

    /// Releases the buffer if all its bytes are written: other connections can use it meanwhile.
    fn release_written(&mut self) {
        if self.written == self.buffer.len() {
            pool::give_back(std::mem::take(&mut self.buffer));
            self.written = 0;
        }
    }

    /// The connection. Unwritten bytes in the buffer are lost.
    pub fn into_io(self) -> W {
        self.io
    }
}
