//! What a client has not taken yet of an answer that was read faster than it reads.

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use lab_http::{BodyEncoder, Outgoing};
use lab_net::spool::SpoolFile;
use tokio::io::AsyncWrite;

/// A queue in a file, behind what the connection's own buffer holds. Its bytes are framed as the client gets them.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    file: Option<SpoolFile>,
    /// How much of the file has been taken out.
    position: u64,
    /// Since when the client takes nothing.
    stuck_since: Option<Instant>,
    framed: Vec<u8>,
}

impl Waiting {
    /// From now on bytes wait in a file in `folder`.
    pub(crate) fn begin(&mut self, folder: Option<&Path>) -> io::Result<()> {
        if self.file.is_none() {
            self.file = Some(SpoolFile::new(folder)?);
        }
        Ok(())
    }

    /// Whether nothing waits in a file, and what comes may go straight to the connection.
    pub(crate) fn is_empty(&self) -> bool {
        self.file.is_none()
    }

    /// How large the file is, in bytes.
    pub(crate) fn file_length(&self) -> u64 {
        self.file.as_ref().map_or(0, SpoolFile::length)
    }

    /// Appends a piece of content with its framing.
    pub(crate) fn push(&mut self, encoder: &mut BodyEncoder, content: &[u8]) -> io::Result<()> {
        self.framed.clear();
        encoder.piece(&mut self.framed, content).map_err(io::Error::other)?;
        self.push_framed()
    }

    /// Appends the end of the body.
    pub(crate) fn end(&mut self, encoder: &mut BodyEncoder) -> io::Result<()> {
        self.framed.clear();
        encoder.end(&mut self.framed, None).map_err(io::Error::other)?;
        self.push_framed()
    }

    fn push_framed(&mut self) -> io::Result<()> {
        match &mut self.file {
            Some(file) => file.push(&self.framed),
            None => Err(io::Error::other("it was not begun")),
        }
    }

    /// Takes a block out into a connection's buffer; false if nothing was left.
    pub(crate) fn load<W: AsyncWrite + Unpin>(&mut self, to: &mut Outgoing<W>) -> io::Result<bool> {
        // without a file the connection need not even have a buffer
        let Some(file) = &mut self.file else { return Ok(false) };
        let read = file.read(self.position, to.buffer())?;
        self.position += read as u64;
        if read == 0 {
            // the client has caught up
            self.file = None;
            self.position = 0;
        }
        Ok(read > 0)
    }

    /// How much longer a client is waited for that takes nothing, out of `limit`.
    pub(crate) fn patience(&mut self, limit: Duration) -> Duration {
        limit.saturating_sub(self.stuck_since.get_or_insert_with(Instant::now).elapsed())
    }

    /// The client has taken something.
    pub(crate) fn has_moved(&mut self) {
        self.stuck_since = None;
    }
}

#[cfg(test)]
mod tests {
    use lab_http::BodyLength;

    use super::*;

    #[test]
    fn what_waits_comes_out_framed_and_in_order() {
        let mut waiting = Waiting::default();
        let mut encoder = BodyEncoder::new(BodyLength::Chunked);
        assert!(waiting.is_empty() && waiting.push(&mut encoder, b"x").is_err());
        waiting.begin(None).unwrap();
        let large = vec![b'a'; 100_000];
        waiting.push(&mut encoder, &large).unwrap();
        waiting.push(&mut encoder, b"hello").unwrap();
        waiting.end(&mut encoder).unwrap();
        let mut out = Outgoing::new(Vec::new());
        while waiting.load(&mut out).unwrap() {}
        assert!(waiting.is_empty());
        assert_eq!(*out.buffer(), [b"186a0\r\n", &large[..], b"\r\n5\r\nhello\r\n0\r\n\r\n"].concat());
    }
}
