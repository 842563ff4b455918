//! A writer that counts its bytes and can limit their rate.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::AsyncWrite;

use crate::context::rate_limit::RateLimit;

/// Counts the bytes that the kernel accepted, for `$bytes_sent`, and enforces `limit_rate`.
#[derive(Debug)]
pub(crate) struct CountingWriter<W> {
    io: W,
    /// Bytes written since the connection was opened.
    pub(crate) bytes: u64,
    limit: Option<Box<RateLimit>>,
}

impl<W> CountingWriter<W> {
    pub(crate) fn new(io: W) -> CountingWriter<W> {
        CountingWriter { io, bytes: 0, limit: None }
    }

    /// The writer. Bytes written to it directly are not counted.
    pub(crate) fn io_mut(&mut self) -> &mut W {
        &mut self.io
    }

    /// As [`io_mut`](CountingWriter::io_mut), for a caller that calls [`add`](CountingWriter::add) itself.
    pub(crate) fn io(&self) -> &W {
        &self.io
    }

    /// Counts bytes that were written to the writer directly.
    pub(crate) fn add(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
    }

    /// How many of `wanted` bytes the limit allows now, at least one.
    pub(crate) fn poll_room(&mut self, wanted: usize, cx: &mut Context<'_>) -> Poll<usize> {
        match &mut self.limit {
            Some(limit) => limit.poll_room(self.bytes, cx).map(|room| room.min(wanted)),
            None => Poll::Ready(wanted),
        }
    }

    /// Limits the rate from now on, after `free` bytes; `None` and 0 remove the limit.
    pub(crate) fn limit_rate(&mut self, bytes_per_s: Option<u64>, free: u64) {
        let bounded = bytes_per_s.filter(|bytes| *bytes > 0);
        self.limit = bounded.map(|bytes_per_s| Box::new(RateLimit::new(bytes_per_s, self.bytes, free)));
    }

    fn count(&mut self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(bytes)) = &written {
            self.add(*bytes);
        }
        written
    }
}

impl<W: AsyncWrite + Unpin> AsyncWrite for CountingWriter<W> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let room = ready!(this.poll_room(buffer.len(), cx));
        let written = Pin::new(&mut this.io).poll_write(cx, &buffer[..room]);
        this.count(written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.limit.is_some() {
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
    async fn rate_limit_allows_a_share_per_second() {
        let mut writer = CountingWriter::new(Vec::new());
        let cx = &mut Context::from_waker(Waker::noop());
        let write = |writer: &mut CountingWriter<Vec<u8>>, cx: &mut Context<'_>, length: usize| match Pin::new(writer)
            .poll_write_vectored(cx, &[IoSlice::new(b""), IoSlice::new(&vec![b'x'; length])])
        {
            Poll::Ready(written) => Some(written.unwrap()),
            Poll::Pending => None,
        };
        writer.limit_rate(Some(1_000), 0);
        assert_eq!(write(&mut writer, cx, 600), Some(600));
        assert_eq!(write(&mut writer, cx, 600), Some(400));
        assert_eq!(write(&mut writer, cx, 1), None);
        writer.limit_rate(Some(0), 0);
        assert_eq!(write(&mut writer, cx, 5_000), Some(5_000));
        assert_eq!(writer.bytes, 6_000);
        writer.limit_rate(Some(1_000), 500);
        assert_eq!(write(&mut writer, cx, 5_000), Some(1_500));
    }
}
