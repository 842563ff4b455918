//! The writing side of a client's connection, which counts what it sent.

use std::future::Future as _;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::AsyncWrite;
use tokio::time::{Instant, Sleep, sleep_until};

/// Counts the bytes that were really written, for `$bytes_sent`, and writes no more of them than is allowed in a second.
#[derive(Debug)]
pub(crate) struct Sent<W> {
    io: W,
    /// Bytes written since the connection began.
    pub(crate) bytes: u64,
    pace: Option<Box<Pace>>,
}

/// `X-Accel-Limit-Rate`
#[derive(Debug)]
struct Pace {
    bytes_per_s: u64,
    begun: Instant,
    /// Bytes that had been written by then.
    before: u64,
    pause: Option<Pin<Box<Sleep>>>,
}

impl Pace {
    /// How many bytes may be written now, at least one. As nginx: each second's share is there when the second begins.
    fn poll_room(&mut self, written: u64, cx: &mut Context<'_>) -> Poll<usize> {
        loop {
            if let Some(pause) = &mut self.pause {
                ready!(pause.as_mut().poll(cx));
                self.pause = None;
            }
            let seconds = self.begun.elapsed().as_secs() + 1;
            let room = self.bytes_per_s.saturating_mul(seconds).saturating_sub(written - self.before);
            if room > 0 {
                return Poll::Ready(usize::try_from(room).unwrap_or(usize::MAX));
            }
            self.pause = Some(Box::pin(sleep_until(self.begun + Duration::from_secs(seconds))));
        }
    }
}

impl<W> Sent<W> {
    pub(crate) fn new(io: W) -> Sent<W> {
        Sent { io, bytes: 0, pace: None }
    }

    /// From now on, so many bytes a second at most; as many as the connection takes for none, and for 0.
    pub(crate) fn pace(&mut self, bytes_per_s: Option<u64>) {
        let bounded = bytes_per_s.filter(|bytes| *bytes > 0);
        let pace = |bytes_per_s| Pace { bytes_per_s, begun: Instant::now(), before: self.bytes, pause: None };
        self.pace = bounded.map(pace).map(Box::new);
    }

    fn count(&mut self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(bytes)) = &written {
            self.bytes += *bytes as u64;
        }
        written
    }
}

impl<W: AsyncWrite + Unpin> AsyncWrite for Sent<W> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let room = match &mut this.pace {
            Some(pace) => ready!(pace.poll_room(this.bytes, cx)),
            None => buffer.len(),
        };
        let written = Pin::new(&mut this.io).poll_write(cx, &buffer[..room.min(buffer.len())]);
        this.count(written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.pace.is_some() {
            let first = buffers.iter().find(|buffer| !buffer.is_empty());
            return self.poll_write(cx, first.map_or(&[], |buffer| buffer));
        }
        let this = self.get_mut();
        let written = Pin::new(&mut this.io).poll_write_vectored(cx, buffers);
        this.count(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    #[tokio::test]
    async fn no_more_is_written_than_a_second_allows() {
        let mut sent = Sent::new(Vec::new());
        let cx = &mut Context::from_waker(Waker::noop());
        let write = |sent: &mut Sent<Vec<u8>>, cx: &mut Context<'_>, length: usize| match Pin::new(sent)
            .poll_write_vectored(cx, &[IoSlice::new(b""), IoSlice::new(&vec![b'x'; length])])
        {
            Poll::Ready(written) => Some(written.unwrap()),
            Poll::Pending => None,
        };
        sent.pace(Some(1_000));
        assert_eq!(write(&mut sent, cx, 600), Some(600));
        assert_eq!(write(&mut sent, cx, 600), Some(400));
        assert_eq!(write(&mut sent, cx, 1), None);
        sent.pace(Some(0));
        assert_eq!(write(&mut sent, cx, 5_000), Some(5_000));
        assert_eq!(sent.bytes, 6_000);
    }
}
