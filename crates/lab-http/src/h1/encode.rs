//! The encoder of bodies.

use super::framing::BodyLength;
use super::write;
use crate::message::headers::Headers;

/// Frames one body and counts its content. More or less content than declared is an error, because the peer would
/// misinterpret the rest of the connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BodyEncoder {
    length: BodyLength,
    remaining: u64,
}

/// The content does not have the length that the head declared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LengthError {
    /// More content than Content-Length declared, or content in a message without a body.
    #[error("the body is longer than announced")]
    TooLong,
    /// Less content than Content-Length declared, by this number of bytes.
    #[error("the body is {0} bytes shorter than announced")]
    TooShort(u64),
}

impl BodyEncoder {
    #[must_use]
    pub fn new(length: BodyLength) -> BodyEncoder {
        let remaining = if let BodyLength::Sized(size) = length { size } else { 0 };
        BodyEncoder { length, remaining }
    }

    #[must_use]
    pub fn length(&self) -> BodyLength {
        self.length
    }

    /// The number of bytes of content still to come; None if not declared.
    #[must_use]
    pub fn remaining(&self) -> Option<u64> {
        match self.length {
            BodyLength::None | BodyLength::Sized(_) => Some(self.remaining),
            BodyLength::Chunked | BodyLength::UntilClose => None,
        }
    }

    /// Whether the end of the connection marks the end of the body.
    #[must_use]
    pub fn ends_connection(&self) -> bool {
        self.length == BodyLength::UntilClose
    }

    /// Appends the framing before a piece of content of `size` bytes, and counts the piece. An empty piece gets no
    /// framing: an empty chunk would end the body.
    pub fn begin_piece(&mut self, out: &mut Vec<u8>, size: usize) -> Result<(), LengthError> {
        match self.length {
            _ if size == 0 => {}
            BodyLength::None => return Err(LengthError::TooLong),
            BodyLength::Sized(_) => {
                self.remaining = self.remaining.checked_sub(size as u64).ok_or(LengthError::TooLong)?;
            }
            BodyLength::Chunked => {
                write::hexadecimal(out, size as u64);
                out.extend_from_slice(b"\r\n");
            }
            BodyLength::UntilClose => {}
        }
        Ok(())
    }

    /// Appends the framing after a piece of content of `size` bytes.
    pub fn end_piece(&self, out: &mut Vec<u8>, size: usize) {
        if self.length == BodyLength::Chunked && size > 0 {
            out.extend_from_slice(b"\r\n");
        }
    }

    /// Appends a piece of content with its framing.
    pub fn encode(&mut self, out: &mut Vec<u8>, content: &[u8]) -> Result<(), LengthError> {
        self.begin_piece(out, content.len())?;
        out.extend_from_slice(content);
        self.end_piece(out, content.len());
        Ok(())
    }

    /// Appends the end of the body. Trailers are dropped unless the body is chunked (RFC 9110 §6.5.1).
    pub fn finish(&mut self, out: &mut Vec<u8>, trailers: Option<&Headers>) -> Result<(), LengthError> {
        if self.remaining > 0 {
            return Err(LengthError::TooShort(self.remaining));
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
            encoder.encode(&mut out, piece)?;
        }
        encoder.finish(&mut out, None)?;
        Ok(String::from_utf8(out).expect("text"))
    }

    #[test]
    fn framing_by_length() {
        let pieces: [&[u8]; 3] = [b"Hello", b"", b", big wide world"];
        assert_eq!(encode(BodyLength::Chunked, &pieces).unwrap(), "5\r\nHello\r\n10\r\n, big wide world\r\n0\r\n\r\n");
        assert_eq!(encode(BodyLength::Sized(21), &pieces).unwrap(), "Hello, big wide world");
        assert_eq!(encode(BodyLength::UntilClose, &pieces).unwrap(), "Hello, big wide world");
        assert_eq!(encode(BodyLength::None, &[b""]).unwrap(), "");
    }

    #[test]
    fn wrong_length_is_an_error() {
        assert_eq!(encode(BodyLength::Sized(4), &[b"Hello"]), Err(LengthError::TooLong));
        assert_eq!(encode(BodyLength::Sized(7), &[b"Hello"]), Err(LengthError::TooShort(2)));
        assert_eq!(encode(BodyLength::None, &[b"Hello"]), Err(LengthError::TooLong));
    }

    #[test]
    fn trailers_follow_the_last_chunk() {
        let trailers: Headers = [("X-Sum", "1")].into_iter().collect();
        let (mut encoder, mut out) = (BodyEncoder::new(BodyLength::Chunked), Vec::new());
        encoder.finish(&mut out, Some(&trailers)).unwrap();
        assert_eq!(out, b"0\r\nX-Sum: 1\r\n\r\n");
    }
}
