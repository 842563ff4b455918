//! The decoder of bodies.

use super::chunked::ChunkedDecoder;
use super::framing::BodyLength;
use super::limits::Limits;
use super::piece::Piece;
use crate::message::headers::Headers;
use crate::message::refusal::Refusal;

/// Decodes one body. Pure: it only classifies the bytes it receives.
#[derive(Debug)]
pub struct BodyDecoder {
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Sized { remaining: u64 },
    Chunked(Box<ChunkedDecoder>),
    UntilClose,
    End,
}

impl BodyDecoder {
    /// `limits` applies to the framing of a chunked body.
    #[must_use]
    #[inline]
    pub fn new(length: BodyLength, limits: &Limits) -> BodyDecoder {
        let kind = match length {
            BodyLength::None | BodyLength::Sized(0) => Kind::End,
            BodyLength::Sized(remaining) => Kind::Sized { remaining },
            BodyLength::Chunked => Kind::Chunked(Box::new(ChunkedDecoder::new(limits))),
            BodyLength::UntilClose => Kind::UntilClose,
        };
        BodyDecoder { kind }
    }

    /// A decoder after the end of its body.
    #[must_use]
    pub fn finished() -> BodyDecoder {
        BodyDecoder { kind: Kind::End }
    }

    /// Whether the body has ended, and what follows belongs to the next message.
    #[must_use]
    #[inline]
    pub fn is_finished(&self) -> bool {
        match &self.kind {
            Kind::End => true,
            Kind::Chunked(decoder) => decoder.is_finished(),
            Kind::Sized { .. } | Kind::UntilClose => false,
        }
    }

    /// The number of bytes of content still to come, if the framing declares it.
    #[must_use]
    pub fn remaining(&self) -> Option<u64> {
        match &self.kind {
            Kind::Sized { remaining } => Some(*remaining),
            _ if self.is_finished() => Some(0),
            Kind::Chunked(_) | Kind::UntilClose | Kind::End => None,
        }
    }

    /// The trailer fields, once a chunked body has ended.
    #[must_use]
    pub fn trailers(&self) -> Option<&Headers> {
        match &self.kind {
            Kind::Chunked(decoder) if decoder.is_finished() => Some(decoder.trailers()),
            _ => None,
        }
    }

    /// Decodes the next bytes. The returned content counts as consumed. Bytes after the end of the body are left.
    #[inline]
    pub fn decode(&mut self, input: &[u8]) -> Result<Piece, Refusal> {
        match &mut self.kind {
            Kind::Sized { remaining } => {
                let content = usize::try_from(*remaining).unwrap_or(usize::MAX).min(input.len());
                *remaining -= content as u64;
                if *remaining == 0 {
                    self.kind = Kind::End;
                }
                Ok(Piece { framing: 0, content })
            }
            Kind::Chunked(decoder) => decoder.decode(input),
            Kind::UntilClose => Ok(Piece { framing: 0, content: input.len() }),
            Kind::End => Ok(Piece::default()),
        }
    }

    /// Handles the end of the connection, which ends a body without a declared length and truncates any other
    /// (RFC 9112 §8).
    pub fn handle_eof(&mut self) -> Result<(), Refusal> {
        match self.kind {
            Kind::UntilClose => {
                self.kind = Kind::End;
                Ok(())
            }
            _ if self.is_finished() => Ok(()),
            _ => Err(Refusal::Truncated),
        }
    }
}
