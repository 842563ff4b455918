//! A request's body on its way through.
//!
//! As nginx does, all of it is collected before an upstream is asked (`proxy_request_buffering on`): a body, sent
//! however slowly or in whatever chunks, reaches the upstream whole and with its length, and can be sent a second time.
//! What does not fit `client_body_buffer_size` waits in a file. Without buffering it passes through as it comes.

use lab_http::{BodyDecoder, BodyLength, Incoming, Limits, ReadError, Refusal};
use lab_net::spool::SpoolFile;
use tokio::io::AsyncRead;

use crate::config::buffering::Buffering;

/// A body on its way from the client.
#[derive(Debug)]
pub(crate) struct Upload {
    decoder: BodyDecoder,
    /// The beginning of what was collected; the rest is in the file.
    memory: Vec<u8>,
    file: Option<SpoolFile>,
    received: u64,
}

/// Why a body did not arrive.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyTrouble {
    /// Larger than `client_max_body_size`.
    #[error("client intended to send too large body")]
    TooLarge,
    /// Not framed as it has to be.
    #[error("client sent an invalid body: {0}")]
    Invalid(Refusal),
    /// `client_body_timeout`
    #[error("client timed out while sending request body")]
    TimedOut,
    /// The client closed the connection, or it failed.
    #[error("client prematurely closed connection: {0}")]
    Gone(String),
    /// The file it waits in cannot be written or read.
    #[error("a file for the request's body failed: {0}")]
    File(std::io::Error),
}

impl BodyTrouble {
    /// What the client is answered; nothing if it is gone.
    pub(crate) fn status(&self) -> Option<u16> {
        match self {
            BodyTrouble::TooLarge => Some(413),
            BodyTrouble::Invalid(refusal) => Some(refusal.status()),
            BodyTrouble::TimedOut => Some(408),
            BodyTrouble::File(_) => Some(500),
            BodyTrouble::Gone(_) => None,
        }
    }
}

impl From<ReadError> for BodyTrouble {
    fn from(error: ReadError) -> BodyTrouble {
        match error {
            ReadError::Refused(Refusal::Truncated) => BodyTrouble::Gone(Refusal::Truncated.to_string()),
            ReadError::Refused(refusal) => BodyTrouble::Invalid(refusal),
            ReadError::Io(error) => BodyTrouble::Gone(error.to_string()),
        }
    }
}

impl Upload {
    pub(crate) fn new(length: BodyLength) -> Upload {
        let decoder = BodyDecoder::new(length, &Limits::default());
        Upload { decoder, memory: Vec::new(), file: None, received: 0 }
    }

    /// Whether all of the body was read from the client.
    pub(crate) fn is_complete(&self) -> bool {
        self.decoder.is_at_end()
    }

    /// How much was collected, in bytes.
    pub(crate) fn collected(&self) -> u64 {
        self.memory.len() as u64 + self.file.as_ref().map_or(0, SpoolFile::length)
    }

    /// Whether something was read that is not collected, so that the body cannot be sent again.
    pub(crate) fn is_spent(&self) -> bool {
        self.received > self.collected()
    }

    /// The part of what was collected that is in memory: its beginning.
    pub(crate) fn memory(&self) -> &[u8] {
        &self.memory
    }

    /// How many bytes of content were read.
    pub(crate) fn received(&self) -> u64 {
        self.received
    }

    /// Reads the rest of the body and throws it away, if there is not too much of it; whether it is gone.
    pub(crate) async fn drain<R: AsyncRead + Unpin>(&mut self, client: &mut Incoming<R>, bound: u64) -> bool {
        matches!(client.drain(&mut self.decoder, bound).await, Ok(true))
    }

    /// Appends a block of the part that is in a file to `out`, from `position` in the file on; returns its length, 0 at
    /// the end.
    pub(crate) fn read_file(&self, position: u64, out: &mut Vec<u8>) -> Result<usize, BodyTrouble> {
        self.file.as_ref().map_or(Ok(0), |file| file.read(position, out)).map_err(BodyTrouble::File)
    }

    /// Collects the next piece of the body.
    pub(crate) async fn collect<R: AsyncRead + Unpin>(
        &mut self,
        client: &mut Incoming<R>,
        limit: Option<u64>,
        buffering: &Buffering,
    ) -> Result<(), BodyTrouble> {
        let Some(piece) = client.read_body_piece(&mut self.decoder).await? else { return Ok(()) };
        self.received = count(self.received, piece, limit)?;
        if self.file.is_none() && self.memory.len() + piece.len() <= buffering.request_memory {
            self.memory.extend_from_slice(piece);
            return Ok(());
        }
        let file = match &mut self.file {
            Some(file) => file,
            None => {
                let folder = buffering.request_folder.as_deref();
                self.file.insert(SpoolFile::new(folder).map_err(BodyTrouble::File)?)
            }
        };
        file.push(piece).map_err(BodyTrouble::File)
    }

    /// The next piece of the body behind what was collected; none at its end.
    pub(crate) async fn next<'c, R: AsyncRead + Unpin>(
        &mut self,
        client: &'c mut Incoming<R>,
        limit: Option<u64>,
    ) -> Result<Option<&'c [u8]>, BodyTrouble> {
        let piece = client.read_body_piece(&mut self.decoder).await?;
        if let Some(piece) = piece {
            self.received = count(self.received, piece, limit)?;
        }
        Ok(piece)
    }
}

/// Counts a piece; more than the limit is refused.
fn count(received: u64, piece: &[u8], limit: Option<u64>) -> Result<u64, BodyTrouble> {
    let received = received + piece.len() as u64;
    if limit.is_some_and(|limit| received > limit) { Err(BodyTrouble::TooLarge) } else { Ok(received) }
}
