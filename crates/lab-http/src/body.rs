//! Bodies of every length, taken apart.

use crate::chunked::ChunkedDecoder;
use crate::framing::BodyLength;
use crate::headers::Headers;
use crate::limits::Limits;
use crate::refusal::Refusal;

/// What the next bytes of a connection are: first so many of framing, then so many of content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Piece {
    /// Bytes to skip.
    pub framing: usize,
    /// Bytes of content behind them.
    pub content: usize,
}

/// Reads one body. Pure: it is shown bytes and says what they are.
#[derive(Debug)]
pub struct BodyDecoder {
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Sized { left: u64 },
    Chunked(Box<ChunkedDecoder>),
    UntilClose,
    End,
}

impl BodyDecoder {
    /// At the start of a body. `limits` bounds the framing of a chunked one.
    #[must_use]
    #[inline]
    pub fn new(length: BodyLength, limits: &Limits) -> BodyDecoder {
        let kind = match length {
            BodyLength::None | BodyLength::Sized(0) => Kind::End,
            BodyLength::Sized(left) => Kind::Sized { left },
            BodyLength::Chunked => Kind::Chunked(Box::new(ChunkedDecoder::new(limits))),
            BodyLength::UntilClose => Kind::UntilClose,
        };
        BodyDecoder { kind }
    }

    /// Behind the end of a body: nothing is to be read.
    #[must_use]
    pub fn at_end() -> BodyDecoder {
        BodyDecoder { kind: Kind::End }
    }

    /// Whether the body has ended, so that what follows belongs to the next message.
    #[must_use]
    #[inline]
    pub fn is_at_end(&self) -> bool {
        match &self.kind {
            Kind::End => true,
            Kind::Chunked(decoder) => decoder.is_at_end(),
            Kind::Sized { .. } | Kind::UntilClose => false,
        }
    }

    /// How many bytes of content are still to come, where the framing says so.
    #[must_use]
    pub fn left(&self) -> Option<u64> {
        match &self.kind {
            Kind::Sized { left } => Some(*left),
            _ if self.is_at_end() => Some(0),
            Kind::Chunked(_) | Kind::UntilClose | Kind::End => None,
        }
    }

    /// The trailer fields, once a chunked body has ended.
    #[must_use]
    pub fn trailers(&self) -> Option<&Headers> {
        match &self.kind {
            Kind::Chunked(decoder) if decoder.is_at_end() => Some(decoder.trailers()),
            _ => None,
        }
    }

    /// Takes the next bytes. The content in the answer counts as taken. Bytes behind the end of the body are left.
    #[inline]
    pub fn decode(&mut self, input: &[u8]) -> Result<Piece, Refusal> {
        match &mut self.kind {
            Kind::Sized { left } => {
                let content = usize::try_from(*left).unwrap_or(usize::MAX).min(input.len());
                *left -= content as u64;
                if *left == 0 {
                    self.kind = Kind::End;
                }
                Ok(Piece { framing: 0, content })
            }
            Kind::Chunked(decoder) => decoder.decode(input),
            Kind::UntilClose => Ok(Piece { framing: 0, content: input.len() }),
            Kind::End => Ok(Piece::default()),
        }
    }

    /// Says that the connection has ended: the right end of a body that lasts until then, too early for any other
    /// (RFC 9112 §8).
    pub fn end_of_connection(&mut self) -> Result<(), Refusal> {
        match self.kind {
            Kind::UntilClose => {
                self.kind = Kind::End;
                Ok(())
            }
            _ if self.is_at_end() => Ok(()),
            _ => Err(Refusal::Truncated),
        }
    }
}
