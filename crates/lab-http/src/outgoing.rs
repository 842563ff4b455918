//! The writing side of a connection: heads and bodies in as few writes as may be.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::AsyncWrite;

use crate::encode::{BodyEncoder, LengthError};
use crate::headers::Headers;
use crate::pool;

/// Content from this size on is written from where it lies; below, it is copied behind the head.
const WORTH_ITS_OWN_WRITE: usize = 16 * 1024;

/// The same where nothing waits for the peer: content that came in one piece goes out in one.
const WORTH_A_WRITE_NOW: usize = 8 * 1024;

/// Writes messages to `W`. Heads and small content gather in a buffer until [`flush`](Outgoing::flush), which has to
/// be called before waiting for anything else.
#[derive(Debug)]
pub struct Outgoing<W> {
    io: W,
    buffer: Vec<u8>,
    /// How much of the buffer has been written.
    written: usize,
}

/// Why nothing could be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The content does not fit what the head announced.
    #[error(transparent)]
    Length(#[from] LengthError),
    /// The connection failed.
    #[error("the connection failed: {0}")]
    Io(#[from] io::Error),
}

impl<W: AsyncWrite + Unpin> Outgoing<W> {
    /// With an empty buffer.
    pub fn new(io: W) -> Outgoing<W> {
        Outgoing { io, buffer: Vec::new(), written: 0 }
    }

    /// Writes a piece of content with its framing. To be called again only after it returned; if it is dropped while
    /// it waits, the connection is of no more use.
    pub async fn piece(&mut self, encoder: &mut BodyEncoder, content: &[u8]) -> Result<(), WriteError> {
        encoder.before(self.buffer(), content.len())?;
        if content.len() >= WORTH_ITS_OWN_WRITE {
            self.write_with(content).await?;
        } else {
            self.buffer().extend_from_slice(content);
        }
        encoder.behind(self.buffer(), content.len());
        if self.buffer.len() >= WORTH_ITS_OWN_WRITE {
            self.write_with(&[]).await?;
        }
        Ok(())
    }

    /// As [`piece`](Outgoing::piece), but what the peer does not take at once is kept in the buffer, however much it is:
    /// see [`unwritten`](Outgoing::unwritten).
    pub async fn piece_without_waiting(&mut self, encoder: &mut BodyEncoder, content: &[u8]) -> Result<(), WriteError> {
        encoder.before(self.buffer(), content.len())?;
        let mut left = content;
        if content.len() >= WORTH_A_WRITE_NOW {
            poll_fn(|cx| self.poll_write_now(cx, &mut left)).await?;
        }
        self.buffer().extend_from_slice(left);
        encoder.behind(self.buffer(), content.len());
        if self.buffer.len() >= WORTH_ITS_OWN_WRITE {
            poll_fn(|cx| self.poll_write_now(cx, &mut &[][..])).await?;
        }
        Ok(())
    }

    /// Writes the end of a body, and everything that is still in the buffer.
    pub async fn end(&mut self, encoder: &mut BodyEncoder, trailers: Option<&Headers>) -> Result<(), WriteError> {
        encoder.end(self.buffer(), trailers)?;
        Ok(self.flush().await?)
    }

    /// Writes everything that is still in the buffer. Can be dropped while it waits, and called again.
    pub async fn flush(&mut self) -> io::Result<()> {
        poll_fn(|cx| self.poll_flush(cx)).await
    }

    /// As [`flush`](Outgoing::flush), for code that polls.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_write_with(cx, &mut &[][..]))?;
        Pin::new(&mut self.io).poll_flush(cx)
    }

    /// Tells the peer that nothing more will be written.
    pub async fn shutdown(&mut self) -> io::Result<()> {
        self.flush().await?;
        poll_fn(|cx| Pin::new(&mut self.io).poll_shutdown(cx)).await
    }

    /// Writes the buffer and then `content`, together where the connection can.
    async fn write_with(&mut self, content: &[u8]) -> io::Result<()> {
        let mut content = content;
        poll_fn(|cx| self.poll_write_with(cx, &mut content)).await
    }

    /// Writes what can be written, and is always ready.
    fn poll_write_now(&mut self, cx: &mut Context<'_>, content: &mut &[u8]) -> Poll<io::Result<()>> {
        let written = self.poll_write_with(cx, content);
        // a buffer that is never quite empty must not keep what was written of it
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
                    // others can use it while nothing is to be written
                    pool::give_back(std::mem::take(&mut self.buffer));
                    self.written = 0;
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
    /// Where heads are written to; see [`write`](mod@crate::write).
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        if self.buffer.capacity() == 0 {
            self.buffer = pool::take_for_writing();
        }
        &mut self.buffer
    }

    /// How many bytes wait to be written.
    pub fn unwritten(&self) -> usize {
        self.buffer.len() - self.written
    }

    /// Whether everything was written.
    pub fn is_flushed(&self) -> bool {
        self.buffer.is_empty()
    }

    /// The connection itself.
    pub fn io_mut(&mut self) -> &mut W {
        &mut self.io
    }

    /// The connection itself; what is still in the buffer is lost.
    pub fn into_io(self) -> W {
        self.io
    }
}
