//! Bodies, put together.

use crate::framing::BodyLength;
use crate::headers::Headers;
use crate::write;

/// Frames one body for sending, and counts it: more or less content than was announced is an error, since the peer
/// would read the rest of the connection wrongly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BodyEncoder {
    length: BodyLength,
    left: u64,
}

/// The content does not fit what the head announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LengthError {
    /// More content than Content-Length said, or content where there can be none.
    #[error("the body is longer than announced")]
    TooLong,
    /// The content ended before Content-Length was reached.
    #[error("the body is {0} bytes shorter than announced")]
    TooShort(u64),
}

impl BodyEncoder {
    /// At the start of a body that was announced as `length`.
    #[must_use]
    pub fn new(length: BodyLength) -> BodyEncoder {
        let left = if let BodyLength::Sized(size) = length { size } else { 0 };
        BodyEncoder { length, left }
    }

    /// How the body is delimited.
    #[must_use]
    pub fn length(&self) -> BodyLength {
        self.length
    }

    /// How much more content fits; None if there is no bound.
    #[must_use]
    pub fn room(&self) -> Option<u64> {
        match self.length {
            BodyLength::None | BodyLength::Sized(_) => Some(self.left),
            BodyLength::Chunked | BodyLength::UntilClose => None,
        }
    }

    /// Whether the end of the body is the end of the connection.
    #[must_use]
    pub fn ends_connection(&self) -> bool {
        self.length == BodyLength::UntilClose
    }

    /// Appends what goes before a piece of content of `size` bytes, and counts it. An empty piece is framed by
    /// nothing: an empty chunk would end the body.
    pub fn before(&mut self, out: &mut Vec<u8>, size: usize) -> Result<(), LengthError> {
        match self.length {
            _ if size == 0 => {}
            BodyLength::None => return Err(LengthError::TooLong),
            BodyLength::Sized(_) => self.left = self.left.checked_sub(size as u64).ok_or(LengthError::TooLong)?,
            BodyLength::Chunked => {
                write::hexadecimal(out, size as u64);
                out.extend_from_slice(b"\r\n");
            }
            BodyLength::UntilClose => {}
        }
        Ok(())
    }

    /// Appends what goes behind a piece of content of `size` bytes.
    pub fn behind(&self, out: &mut Vec<u8>, size: usize) {
        if self.length == BodyLength::Chunked && size > 0 {
            out.extend_from_slice(b"\r\n");
        }
    }

    /// Appends a piece of content with its framing.
    pub fn piece(&mut self, out: &mut Vec<u8>, content: &[u8]) -> Result<(), LengthError> {
        self.before(out, content.len())?;
        out.extend_from_slice(content);
        self.behind(out, content.len());
        Ok(())
    }

    /// Appends the end of the body. Trailers are written where the framing can hold them, and dropped where not
    /// (RFC 9110 §6.5.1).
    pub fn end(&mut self, out: &mut Vec<u8>, trailers: Option<&Headers>) -> Result<(), LengthError> {
        if self.left > 0 {
            return Err(LengthError::TooShort(self.left));
        }
        if self.length == BodyLength::Chunked {
            out.extend_from_slice(b"0\r\n");
            if let Some(trailers) = trailers {
                write::fields(out, trailers);
            }
            out.extend_from_slice(b"\r\n");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encode(length: BodyLength, pieces: &[&[u8]]) -> Result<String, LengthError> {
        let (mut encoder, mut out) = (BodyEncoder::new(length), Vec::new());
        for piece in pieces {
            encoder.piece(&mut out, piece)?;
        }
        encoder.end(&mut out, None)?;
        Ok(String::from_utf8(out).expect("text"))
    }

    #[test]
    fn every_length_has_its_framing() {
        let pieces: [&[u8]; 3] = [b"Hello", b"", b", big wide world"];
        assert_eq!(encode(BodyLength::Chunked, &pieces).unwrap(), "5\r\nHello\r\n10\r\n, big wide world\r\n0\r\n\r\n");
        assert_eq!(encode(BodyLength::Sized(21), &pieces).unwrap(), "Hello, big wide world");
        assert_eq!(encode(BodyLength::UntilClose, &pieces).unwrap(), "Hello, big wide world");
        assert_eq!(encode(BodyLength::None, &[b""]).unwrap(), "");
    }

    #[test]
    fn a_wrong_length_is_noticed() {
        assert_eq!(encode(BodyLength::Sized(4), &[b"Hello"]), Err(LengthError::TooLong));
        assert_eq!(encode(BodyLength::Sized(7), &[b"Hello"]), Err(LengthError::TooShort(2)));
        assert_eq!(encode(BodyLength::None, &[b"Hello"]), Err(LengthError::TooLong));
    }

    #[test]
    fn trailers_go_behind_the_last_chunk() {
        let trailers: Headers = [("X-Sum", "1")].into_iter().collect();
        let (mut encoder, mut out) = (BodyEncoder::new(BodyLength::Chunked), Vec::new());
        encoder.end(&mut out, Some(&trailers)).unwrap();
        assert_eq!(out, b"0\r\nX-Sum: 1\r\n\r\n");
    }
}
