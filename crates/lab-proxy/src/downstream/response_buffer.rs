//! The part of a response body that the proxy has read and a slow client has not accepted yet.

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use lab_http::{BodyEncoder, Headers, Outgoing};
use lab_net::spool::{SpoolFile, SpoolShare};
use tokio::io::AsyncWrite;

/// A queue in a spool file, behind the connection's own output buffer. Its bytes are already framed for the client.
#[derive(Debug, Default)]
pub(crate) struct ResponseBuffer {
    file: Option<SpoolFile>,
    /// Bytes of the file that were moved to the connection.
    position: u64,
    /// When the client stopped taking bytes.
    stalled_since: Option<Instant>,
    framed: Vec<u8>,
}

impl ResponseBuffer {
    /// Starts a queue file in `folder`.
    pub(crate) fn open(&mut self, folder: Option<&Path>) -> io::Result<()> {
        if self.file.is_none() {
            self.file = Some(SpoolFile::new(folder, SpoolShare::UNLIMITED)?);
        }
        Ok(())
    }

    /// Whether content may go straight to the connection.
    pub(crate) fn is_empty(&self) -> bool {
        self.file.is_none()
    }

    /// The size of the file in bytes.
    pub(crate) fn file_length(&self) -> u64 {
        self.file.as_ref().map_or(0, SpoolFile::length)
    }

    /// Appends a piece of content with its framing.
    pub(crate) fn push(&mut self, encoder: &mut BodyEncoder, content: &[u8]) -> io::Result<()> {
        self.framed.clear();
        encoder.encode(&mut self.framed, content).map_err(io::Error::other)?;
        self.push_framed()
    }

    /// Appends the end of the body.
    pub(crate) fn end(&mut self, encoder: &mut BodyEncoder, trailers: Option<&Headers>) -> io::Result<()> {
        self.framed.clear();
        encoder.finish(&mut self.framed, trailers).map_err(io::Error::other)?;
        self.push_framed()
    }

    fn push_framed(&mut self) -> io::Result<()> {
        match &mut self.file {
            Some(file) => file.push(&self.framed),
            None => Err(io::Error::other("the response buffer is not open")),
        }
    }

    /// Moves a block to a connection's output buffer, and returns its size; 0 if nothing was left.
    pub(crate) fn load<W: AsyncWrite + Unpin>(&mut self, to: &mut Outgoing<W>) -> io::Result<usize> {
        let Some(file) = &mut self.file else { return Ok(0) };
        let read = file.read(self.position, to.buffer())?;
        self.position += read as u64;
        if read == 0 {
            self.file.take().into_iter().for_each(SpoolFile::close);
            self.position = 0;
        }
        Ok(read)
    }

    /// How much of `limit` is left for a client that accepts nothing.
    pub(crate) fn time_left(&mut self, limit: Duration) -> Duration {
        limit.saturating_sub(self.stalled_since.get_or_insert_with(Instant::now).elapsed())
    }

    pub(crate) fn record_progress(&mut self) {
        self.stalled_since = None;
    }
}

impl Drop for ResponseBuffer {
    fn drop(&mut self) {
        self.file.take().into_iter().for_each(SpoolFile::close);
    }
}

#[cfg(test)]
mod tests {
    use lab_http::BodyLength;

    use super::*;

    #[test]
    fn queued_content_is_framed_in_order() {
        let mut buffer = ResponseBuffer::default();
        let mut encoder = BodyEncoder::new(BodyLength::Chunked);
        assert!(buffer.is_empty() && buffer.push(&mut encoder, b"x").is_err());
        buffer.open(None).unwrap();
        let large = vec![b'a'; 100_000];
        buffer.push(&mut encoder, &large).unwrap();
        buffer.push(&mut encoder, b"hello").unwrap();
        buffer.end(&mut encoder, None).unwrap();
        let mut out = Outgoing::new(Vec::new());
        while buffer.load(&mut out).unwrap() > 0 {}
        assert!(buffer.is_empty());
        assert_eq!(*out.buffer(), [b"186a0\r\n", &large[..], b"\r\n5\r\nhello\r\n0\r\n\r\n"].concat());
    }
}
