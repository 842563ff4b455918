//! The decoder of the chunked coding (RFC 9112 §7.1).
//!
//! A pure state machine: for the bytes that arrive, it returns how many are framing and how many are content. Sizes
//! must be hexadecimal digits only, and every line must end with CRLF. Extensions are validated and limited. Trailers
//! are kept apart from the head's fields (RFC 9110 §6.5.1).

use super::limits::Limits;
use super::parse::{Colon, FieldSection, Lines};
use super::piece::Piece;
use crate::message::headers::Headers;
use crate::message::refusal::Refusal;
use crate::message::syntax::{is_field_value, is_token, trim};

/// Decodes one chunked body.
#[derive(Debug)]
pub struct ChunkedDecoder {
    state: State,
    limits: Limits,
    /// Bytes of content announced so far, by all chunk sizes.
    announced: u64,
    /// Bytes of extensions seen so far, in all chunks.
    extensions: usize,
    /// The current chunk's extension, or the trailer section: parts that are validated as a whole.
    text: Vec<u8>,
    lines: Lines,
    section: FieldSection,
    trailers: Headers,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// In the digits of a chunk size.
    Size {
        size: u64,
        digits: u8,
    },
    /// After the digits, up to CR.
    Extension {
        size: u64,
    },
    /// After the size line's CR; LF must follow.
    SizeLineFeed {
        size: u64,
    },
    /// In a chunk's data.
    Data {
        remaining: u64,
    },
    /// After the data; CR must follow.
    DataReturn,
    /// After that CR; LF must follow.
    DataLineFeed,
    /// After the last chunk, up to the empty line.
    Trailers,
    End,
}

impl ChunkedDecoder {
    #[must_use]
    pub fn new(limits: &Limits) -> ChunkedDecoder {
        ChunkedDecoder {
            state: State::START,
            limits: *limits,
            announced: 0,
            extensions: 0,
            text: Vec::new(),
            lines: Lines::default(),
            section: FieldSection::default(),
            trailers: Headers::new(),
        }
    }

    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.state == State::End
    }

    /// The trailer fields, once the body has ended.
    #[must_use]
    pub fn trailers(&self) -> &Headers {
        &self.trailers
    }

    /// Decodes the next bytes: framing up to the next content, then the available content, which counts as consumed.
    pub fn decode(&mut self, input: &[u8]) -> Result<Piece, Refusal> {
        let mut at = 0;
        while at < input.len() {
            match self.state {
                State::Data { remaining } => {
                    let content = usize::try_from(remaining).unwrap_or(usize::MAX).min(input.len() - at);
                    self.state = match remaining - content as u64 {
                        0 => State::DataReturn,
                        remaining => State::Data { remaining },
                    };
                    return Ok(Piece { framing: at, content });
                }
                State::Trailers => at += self.trailer_bytes(&input[at..])?,
                State::End => break,
                _ => {
                    self.state = self.framing_byte(input[at])?;
                    at += 1;
                }
            }
        }
        Ok(Piece { framing: at, content: 0 })
    }

    fn framing_byte(&mut self, byte: u8) -> Result<State, Refusal> {
        match (self.state, byte) {
            (State::Size { size, digits }, _) if byte.is_ascii_hexdigit() => {
                // Sixteen digits are 64 bits.
                if digits == 16 {
                    return Err(Refusal::ChunkSize);
                }
                Ok(State::Size { size: size << 4 | hex_value(byte), digits: digits + 1 })
            }
            (State::Size { digits: 0, .. }, _) => Err(Refusal::ChunkSize),
            (State::Size { size, .. }, b'\r') => Ok(State::SizeLineFeed { size }),
            (State::Size { size, .. }, b';' | b' ' | b'\t') => {
                self.text.clear();
                self.extension_byte(byte)?;
                Ok(State::Extension { size })
            }
            (State::Size { .. } | State::Extension { .. }, b'\n') => Err(Refusal::BareLf),
            (State::Size { .. }, _) => Err(Refusal::ChunkSize),
            (State::Extension { size }, b'\r') if is_extensions(&self.text) => Ok(State::SizeLineFeed { size }),
            (State::Extension { .. }, b'\r') => Err(Refusal::ChunkExtension),
            (State::Extension { .. }, _) => {
                self.extension_byte(byte)?;
                Ok(self.state)
            }
            (State::SizeLineFeed { size: 0 }, b'\n') => {
                self.text.clear();
                Ok(State::Trailers)
            }
            (State::SizeLineFeed { size }, b'\n') => {
                self.announced = self.announced.saturating_add(size);
                if self.announced > self.limits.body {
                    return Err(Refusal::BodyTooLarge);
                }
                Ok(State::Data { remaining: size })
            }
            (State::SizeLineFeed { .. }, _) => Err(Refusal::BareCr),
            (State::DataReturn, b'\r') => Ok(State::DataLineFeed),
            (State::DataLineFeed, b'\n') => Ok(State::START),
            (State::DataReturn | State::DataLineFeed, _) => Err(Refusal::ChunkEnd),
            (State::Data { .. } | State::Trailers | State::End, _) => Ok(self.state),
        }
    }

    fn extension_byte(&mut self, byte: u8) -> Result<(), Refusal> {
        self.extensions += 1;
        if self.text.len() == self.limits.chunk_extension || self.extensions > self.limits.chunk_extensions {
            return Err(Refusal::ChunkExtensionTooLong);
        }
        self.text.push(byte);
        Ok(())
    }

    /// Continues the trailer section and returns how many of the bytes belong to it.
    fn trailer_bytes(&mut self, input: &[u8]) -> Result<usize, Refusal> {
        let before = self.text.len();
        let room = self.limits.trailers + 1 - before;
        self.text.extend_from_slice(&input[..room.min(input.len())]);
        let bounds = Limits { head: self.limits.trailers, ..self.limits };
        let end = self
            .section
            .advance(&mut self.lines, &self.text, &bounds, Colon::Strict)
            .map_err(|refusal| if refusal == Refusal::HeadTooLong { Refusal::TrailersTooLong } else { refusal })?;
        let Some(end) = end else { return Ok(self.text.len() - before) };
        self.text.truncate(end);
        self.trailers =
            Headers { text: std::mem::take(&mut self.text), fields: std::mem::take(&mut self.section.fields) };
        self.state = State::End;
        Ok(end - before)
    }
}

impl State {
    const START: State = State::Size { size: 0, digits: 0 };
}

fn hex_value(digit: u8) -> u64 {
    u64::from(match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => digit - b'A' + 10,
    })
}

/// Whether `text` is `*( BWS ";" BWS name [ BWS "=" BWS value ] )` (RFC 9112 §7.1.1).
fn is_extensions(text: &[u8]) -> bool {
    let mut rest = trim(text);
    while let [b';', after @ ..] = rest {
        let (name, after) = split_token(trim(after));
        if name.is_empty() {
            return false;
        }
        rest = trim(after);
        if let [b'=', after @ ..] = rest {
            let Some(after) = skip_value(trim(after)) else { return false };
            rest = trim(after);
        }
    }
    // White space alone is not an extension.
    rest.is_empty() && text.contains(&b';')
}

fn split_token(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text.iter().position(|&byte| !is_token(&[byte])).unwrap_or(text.len());
    text.split_at(end)
}

/// The text after the token or quoted string (RFC 9110 §5.6.4) at its start; None if there is neither.
fn skip_value(text: &[u8]) -> Option<&[u8]> {
    let [b'"', quoted @ ..] = text else {
        let (value, after) = split_token(text);
        return (!value.is_empty()).then_some(after);
    };
    let mut rest = quoted;
    loop {
        match rest {
            [b'"', after @ ..] => return Some(after),
            [b'\\', escaped, after @ ..] if is_field_value(&[*escaped]) => rest = after,
            [byte, after @ ..] if *byte != b'\\' && is_field_value(&[*byte]) => rest = after,
            _ => return None,
        }
    }
}
