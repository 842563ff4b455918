//! A request's body on its way through.
//!
//! The beginning of it is collected before an upstream is asked, as nginx does (`proxy_request_buffering on`, with the
//! default `client_body_buffer_size`): a small body, sent however slowly or in whatever chunks, reaches the upstream
//! whole and with its length, and can be sent a second time. The rest of a larger one passes through as it comes.

use lab_http::{BodyDecoder, BodyLength, Incoming, Limits, ReadError, Refusal};
use tokio::io::AsyncRead;

/// How much is collected, in bytes: nginx's `client_body_buffer_size`.
const COLLECTED: u64 = 16 * 1024;
/// How much is collected of a body whose length has to be known first, in bytes.
const COLLECTED_FOR_LENGTH: u64 = 16 * 1024 * 1024;

/// A body on its way from the client.
#[derive(Debug)]
pub(super) struct Upload {
    decoder: BodyDecoder,
    collected: Vec<u8>,
    received: u64,
}

/// Why a body did not arrive.
#[derive(Debug, thiserror::Error)]
pub(super) enum BodyTrouble {
    /// Larger than `client_max_body_size`.
    #[error("client intended to send too large body")]
    TooLarge,
    /// Its length has to be known before it can be sent on, and it is too large to wait for.
    #[error("client sent a body of unknown length, which this upstream's HTTP/1.0 has no way to take")]
    LengthRequired,
    /// Not framed as it has to be.
    #[error("client sent an invalid body: {0}")]
    Invalid(Refusal),
    /// `client_body_timeout`
    #[error("client timed out while sending request body")]
    TimedOut,
    /// The client closed the connection, or it failed.
    #[error("client prematurely closed connection: {0}")]
    Gone(String),
}

impl BodyTrouble {
    /// What the client is answered; nothing if it is gone.
    pub(super) fn status(&self) -> Option<u16> {
        match self {
            BodyTrouble::TooLarge => Some(413),
            BodyTrouble::LengthRequired => Some(411),
            BodyTrouble::Invalid(refusal) => Some(refusal.status()),
            BodyTrouble::TimedOut => Some(408),
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
    pub(super) fn new(length: BodyLength) -> Upload {
        Upload { decoder: BodyDecoder::new(length, &Limits::default()), collected: Vec::new(), received: 0 }
    }

    /// Whether all of the body was read from the client.
    pub(super) fn is_complete(&self) -> bool {
        self.decoder.is_at_end()
    }

    /// Whether something was read that is not collected, so that the body cannot be sent again.
    pub(super) fn is_spent(&self) -> bool {
        self.received > self.collected.len() as u64
    }

    /// What was collected of the body: its beginning.
    pub(super) fn collected(&self) -> &[u8] {
        &self.collected
    }

    /// Collects the beginning of the body, or all of it if its length `has_to_be_known`.
    pub(super) async fn collect<R: AsyncRead + Unpin>(
        &mut self,
        client: &mut Incoming<R>,
        limit: Option<u64>,
        has_to_be_known: bool,
    ) -> Result<(), BodyTrouble> {
        let enough = match (has_to_be_known, self.decoder.left()) {
            (true, None) => COLLECTED_FOR_LENGTH,
            // a large body of known length can just as well pass through from its start
            (_, Some(left)) if left > COLLECTED => return Ok(()),
            _ => COLLECTED,
        };
        while self.received < enough && !self.is_complete() {
            let piece = client.read_body_piece(&mut self.decoder).await?;
            let Some(piece) = piece else { break };
            self.collected.extend_from_slice(piece);
            self.received = count(self.received, piece, limit)?;
        }
        if has_to_be_known && !self.is_complete() && self.decoder.left().is_none() {
            return Err(BodyTrouble::LengthRequired);
        }
        Ok(())
    }

    /// The next piece of the body behind what was collected; none at its end.
    pub(super) async fn next<'c, R: AsyncRead + Unpin>(
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
