//! The heads of requests and responses.

use super::headers::{Headers, Span};

/// A message's version. Higher minor versions of HTTP/1 count as 1.1 (RFC 9110 §2.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Version {
    Http10,
    #[default]
    Http11,
    /// Heads and bodies arrive in frames, so no field delimits them (RFC 9113 §8).
    Http2,
}

impl Version {
    /// `HTTP/1.0`, `HTTP/1.1` or `HTTP/2.0`, as access logs name them.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Version::Http10 => "HTTP/1.0",
            Version::Http11 => "HTTP/1.1",
            Version::Http2 => "HTTP/2.0",
        }
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RequestHead {
    // The words of the start line are in the same buffer as the fields.
    pub(crate) method: Span,
    pub(crate) target: Span,
    pub version: Version,
    pub headers: Headers,
}

impl RequestHead {
    /// A head without fields. The bytes are not validated.
    #[must_use]
    pub fn new(method: impl AsRef<[u8]>, target: impl AsRef<[u8]>, version: Version) -> RequestHead {
        RequestHead::with_room(method, target, version, 0, 0)
    }

    /// As [`new`](RequestHead::new), with room for `fields` lines of `bytes` together.
    #[must_use]
    pub fn with_room(
        method: impl AsRef<[u8]>,
        target: impl AsRef<[u8]>,
        version: Version,
        fields: usize,
        bytes: usize,
    ) -> RequestHead {
        let (method, target) = (method.as_ref(), target.as_ref());
        let mut headers = Headers::new();
        headers.reserve(fields, method.len() + target.len() + bytes);
        let method = Span::append(&mut headers.text, method);
        let target = Span::append(&mut headers.text, target);
        RequestHead { method, target, version, headers }
    }

    /// The method. Methods are case-sensitive (RFC 9110 §9.1).
    #[must_use]
    #[inline]
    pub fn method(&self) -> &[u8] {
        self.method.slice(&self.headers.text)
    }

    /// The length of the head's text in bytes; for a parsed head, the number of bytes received.
    #[must_use]
    pub fn text_len(&self) -> usize {
        self.headers.text.len()
    }

    /// The request target, exactly as in the request line.
    #[must_use]
    #[inline]
    pub fn target(&self) -> &[u8] {
        self.target.slice(&self.headers.text)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResponseHead {
    pub version: Version,
    /// The status code, 100 to 999.
    pub status: u16,
    pub(crate) reason: Span,
    pub headers: Headers,
}

impl ResponseHead {
    /// A head without fields. The bytes are not validated.
    #[must_use]
    pub fn new(version: Version, status: u16, reason: impl AsRef<[u8]>) -> ResponseHead {
        let mut headers = Headers::new();
        let reason = Span::append(&mut headers.text, reason.as_ref());
        ResponseHead { version, status, reason, headers }
    }

    /// The reason phrase as sent, possibly empty.
    #[must_use]
    pub fn reason(&self) -> &[u8] {
        self.reason.slice(&self.headers.text)
    }

    /// Whether another head follows for the same request: any 1xx except 101, which ends HTTP (RFC 9110 §15.2).
    #[must_use]
    pub fn is_interim(&self) -> bool {
        (100..200).contains(&self.status) && self.status != 101
    }
}

/// Whether a response with this status never has a body (RFC 9110 §6.4.1).
#[must_use]
pub const fn is_bodyless(status: u16) -> bool {
    matches!(status, 100..=199 | 204 | 304)
}
