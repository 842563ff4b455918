//! A connection's stream as the frames use it: counted, with limits for writing, and closed without losing the last frame.

use std::future::Future as _;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use lab_net::Stream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::config::location::lingering::{Lingering, LingeringClose};
use crate::http2::Traffic;

/// How much is read at a time from a connection that is closing.
const DISCARDED: usize = 4 * 1024;

#[derive(Debug)]
pub(crate) struct ConnectionIo {
    stream: Stream,
    /// Bytes that were read before.
    received: Vec<u8>,
    traffic: Rc<Traffic>,
    /// `send_timeout`
    send_timeout: Duration,
    lingering: Lingering,
    /// The end of the current wait of a write.
    stalled: Option<Pin<Box<Sleep>>>,
    closing: Option<Closing>,
}

/// A connection that is shut down for writing and still read (RFC 9113 section 5.4.1): a close with unread bytes resets
/// it, and the client could lose the last frames.
#[derive(Debug)]
struct Closing {
    ends: Instant,
    pause: Pin<Box<Sleep>>,
}

impl ConnectionIo {
    pub(crate) fn new(
        stream: Stream,
        received: Vec<u8>,
        traffic: Rc<Traffic>,
        send_timeout: Duration,
        lingering: Lingering,
    ) -> ConnectionIo {
        ConnectionIo { stream, received, traffic, send_timeout, lingering, stalled: None, closing: None }
    }

    /// Bounds the time for which the client accepts nothing.
    fn bound(&mut self, written: Poll<io::Result<usize>>, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        match written {
            Poll::Ready(written) => {
                self.stalled = None;
                self.traffic.count_bytes(written.as_ref().map_or(0, |bytes| *bytes));
                Poll::Ready(written)
            }
            Poll::Pending => {
                let end = Instant::now() + self.send_timeout;
                let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep_until(end)));
                ready!(stalled.as_mut().poll(cx));
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
        }
    }
}

impl AsyncRead for ConnectionIo {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = into.filled().len();
        if this.received.is_empty() {
            ready!(Pin::new(&mut this.stream).poll_read(cx, into))?;
        } else {
            let length = this.received.len().min(into.remaining());
            into.put_slice(&this.received[..length]);
            this.received.drain(..length);
        }
        this.traffic.count_bytes(into.filled().len() - before);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for ConnectionIo {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write(cx, bytes);
        this.bound(written, cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write_vectored(cx, slices);
        this.bound(written, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        // TLS may hold bytes back
        let flushed = Pin::new(&mut this.stream).poll_flush(cx).map_ok(|()| 0);
        this.bound(flushed, cx).map_ok(drop)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let lingering = this.lingering;
        if this.closing.is_none() {
            ready!(Pin::new(&mut this.stream).poll_shutdown(cx))?;
            if lingering.close == LingeringClose::Off {
                return Poll::Ready(Ok(()));
            }
        }
        let closing = this.closing.get_or_insert_with(|| {
            let now = Instant::now();
            let pause = Box::pin(sleep_until(now + lingering.timeout.min(lingering.time)));
            Closing { ends: now + lingering.time, pause }
        });
        let mut block = [0; DISCARDED];
        loop {
            let mut into = ReadBuf::new(&mut block);
            match Pin::new(&mut this.stream).poll_read(cx, &mut into) {
                Poll::Ready(Ok(())) if !into.filled().is_empty() => {
                    closing.pause.as_mut().reset(closing.ends.min(Instant::now() + lingering.timeout));
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
