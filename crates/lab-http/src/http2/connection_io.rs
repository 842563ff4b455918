//! A connection as the frames use it: it collects the frames of one turn, limits the time of its writes, and closes without
//! losing the last frame.

use std::cell::RefCell;
use std::future::Future as _;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use super::traffic::Traffic;
use crate::pool::{self, ReadBuffer};

/// Frames collect up to this many bytes. This is the size of a TLS record, so a larger buffer would save system calls only.
const COLLECTED: usize = 16 * 1024;
/// How much is read at a time from a connection that is closing.
const DISCARDED: usize = 4 * 1024;
/// The most parts of one write: the collected frames, the head of a frame, its content.
const PARTS: usize = 4;

/// The time limits of a connection.
#[derive(Debug, Clone, Copy)]
pub struct IoLimits {
    /// How long the client may accept nothing.
    pub send_timeout: Duration,
    /// None to close at once.
    pub lingering: Option<LingeringLimits>,
}

/// How long the bytes of a client are discarded before its connection closes. A close with unread bytes resets it, and the
/// client could lose the last frames (RFC 9113 section 5.4.1).
#[derive(Debug, Clone, Copy)]
pub struct LingeringLimits {
    pub total: Duration,
    /// The limit of each wait.
    pub pause: Duration,
}

/// The connection, shared by the `h2` crate, which encodes frames into it, and by their owner, who sends them.
///
/// `h2` flushes after every frame with more than 256 bytes of content. Here a flush has no effect, and
/// [`poll_send`](ConnectionIo::poll_send) sends all frames of a turn together: one system call and one TLS record for many
/// small responses.
#[derive(Debug)]
pub(super) struct ConnectionIo<IO>(Rc<RefCell<Inner<IO>>>);

#[derive(Debug)]
struct Inner<IO> {
    io: IO,
    /// Bytes that were read before.
    received: Vec<u8>,
    /// Encoded frames, of which the first `sent` bytes were sent.
    unsent: Vec<u8>,
    sent: usize,
    traffic: Rc<Traffic>,
    limits: IoLimits,
    /// The end of the current wait of a write.
    stalled: Option<Pin<Box<Sleep>>>,
    closing: Option<Closing>,
}

/// A connection that is shut down for writing and still read.
#[derive(Debug)]
struct Closing {
    ends: Instant,
    pause: Pin<Box<Sleep>>,
}

impl<IO> Clone for ConnectionIo<IO> {
    fn clone(&self) -> ConnectionIo<IO> {
        ConnectionIo(Rc::clone(&self.0))
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> ConnectionIo<IO> {
    /// `received` are the bytes that were read from `io` before.
    pub(super) fn new(io: IO, received: Vec<u8>, traffic: Rc<Traffic>, limits: IoLimits) -> ConnectionIo<IO> {
        let (unsent, sent, stalled, closing) = (Vec::new(), 0, None, None);
        ConnectionIo(Rc::new(RefCell::new(Inner { io, received, unsent, sent, traffic, limits, stalled, closing })))
    }

    /// Sends the collected frames.
    pub(super) fn poll_send(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.borrow_mut().poll_send(cx)
    }

    pub(super) fn has_unsent(&self) -> bool {
        !self.0.borrow().unsent.is_empty()
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Inner<IO> {
    /// Bounds the time for which the client accepts nothing.
    fn bound<T>(&mut self, written: Poll<io::Result<T>>, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let end = Instant::now() + self.limits.send_timeout;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep_until(end)));
        ready!(stalled.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.unsent.is_empty() {
            ready!(self.poll_write_through(&[], cx))?;
        }
        // TLS may hold bytes back
        let flushed = Pin::new(&mut self.io).poll_flush(cx);
        self.bound(flushed, cx)
    }

    /// Writes once: the collected frames, and behind them `content`. Returns how many bytes of `content` were written.
    fn poll_write_through(&mut self, content: &[IoSlice<'_>], cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut parts = [IoSlice::new(&[]); PARTS];
        let mut count = 0;
        let collected = IoSlice::new(&self.unsent[self.sent..]);
        for part in std::iter::once(&collected).chain(content).filter(|part| !part.is_empty()).take(PARTS) {
            parts[count] = *part;
            count += 1;
        }
        let written = Pin::new(&mut self.io).poll_write_vectored(cx, &parts[..count]);
        let collected = collected.len();
        let written = ready!(self.bound(written, cx))?;
        if written == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        if written < collected {
            self.sent += written;
            return Poll::Ready(Ok(0));
        }
        // other connections can use the buffer meanwhile
        pool::give_back(std::mem::take(&mut self.unsent));
        self.sent = 0;
        Poll::Ready(Ok(written - collected))
    }

    /// Collects frames, or writes them with those that were collected if they are large.
    fn poll_collect(&mut self, frames: &[IoSlice<'_>], cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let length = frames.iter().map(|frame| frame.len()).sum::<usize>();
        if length == 0 {
            return Poll::Ready(Ok(0));
        }
        let accepted = if self.unsent.len() + length <= COLLECTED {
            if self.unsent.capacity() == 0 {
                self.unsent = pool::take_for_writing();
            }
            for frame in frames {
                self.unsent.extend_from_slice(frame);
            }
            length
        } else {
            loop {
                let written = ready!(self.poll_write_through(frames, cx))?;
                if written > 0 {
                    break written;
                }
            }
        };
        self.traffic.count_bytes(accepted);
        Poll::Ready(Ok(accepted))
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        if self.received.is_empty() {
            // TLS clears the space that it reads into. `h2` reads after each finished stream and offers kilobytes, and
            // mostly nothing has arrived.
            let mut buffer = ReadBuffer::take();
            let length = into.remaining().min(buffer.len());
            let mut read = ReadBuf::new(&mut buffer[..length]);
            ready!(Pin::new(&mut self.io).poll_read(cx, &mut read))?;
            into.put_slice(read.filled());
        } else {
            let length = self.received.len().min(into.remaining());
            into.put_slice(&self.received[..length]);
            self.received.drain(..length);
        }
        self.traffic.count_bytes(into.filled().len() - before);
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.closing.is_none() {
            ready!(self.poll_send(cx))?;
            let shut_down = Pin::new(&mut self.io).poll_shutdown(cx);
            ready!(self.bound(shut_down, cx))?;
        }
        let Some(limits) = self.limits.lingering else { return Poll::Ready(Ok(())) };
        let closing = self.closing.get_or_insert_with(|| {
            let now = Instant::now();
            let pause = Box::pin(sleep_until(now + limits.pause.min(limits.total)));
            Closing { ends: now + limits.total, pause }
        });
        let mut block = [0; DISCARDED];
        loop {
            let mut into = ReadBuf::new(&mut block);
            match Pin::new(&mut self.io).poll_read(cx, &mut into) {
                Poll::Ready(Ok(())) if !into.filled().is_empty() => {
                    closing.pause.as_mut().reset(closing.ends.min(Instant::now() + limits.pause));
                    if closing.ends <= Instant::now() {
                        return Poll::Ready(Ok(()));
                    }
                }
                Poll::Ready(_) => return Poll::Ready(Ok(())),
                Poll::Pending => {
                    ready!(closing.pause.as_mut().poll(cx));
                    return Poll::Ready(Ok(()));
                }
            }
        }
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> AsyncRead for ConnectionIo<IO> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.0.borrow_mut().poll_read(cx, into)
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> AsyncWrite for ConnectionIo<IO> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.0.borrow_mut().poll_collect(&[IoSlice::new(bytes)], cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.0.borrow_mut().poll_collect(slices, cx)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// Sends nothing, because more frames may follow in this turn.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.borrow_mut().poll_shutdown(cx)
    }
}
