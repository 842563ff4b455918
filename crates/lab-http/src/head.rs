//! The heads of messages: a start line and field lines.

use crate::headers::{Headers, Span};

/// The version a message was sent with. Higher minor versions of HTTP/1 count as 1.1 (RFC 9110 §2.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Version {
    /// HTTP/1.0
    Http10,
    /// HTTP/1.1
    #[default]
    Http11,
}

impl Version {
    /// `HTTP/1.0` or `HTTP/1.1`.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Version::Http10 => "HTTP/1.0",
            Version::Http11 => "HTTP/1.1",
        }
    }
}

/// The head of a request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RequestHead {
    // The words of the start line lie in the same buffer as the fields.
    pub(crate) method: Span,
    pub(crate) target: Span,
    /// The version in the request line.
    pub version: Version,
    /// The field lines.
    pub headers: Headers,
}

impl RequestHead {
    /// A head without fields. The bytes are taken as they are.
    #[must_use]
    pub fn new(method: impl AsRef<[u8]>, target: impl AsRef<[u8]>, version: Version) -> RequestHead {
        let mut headers = Headers::new();
        let method = Span::append(&mut headers.text, method.as_ref());
        let target = Span::append(&mut headers.text, target.as_ref());
        RequestHead { method, target, version, headers }
    }

    /// The method, case as sent: methods are case-sensitive (RFC 9110 §9.1).
    #[must_use]
    #[inline]
    pub fn method(&self) -> &[u8] {
        self.method.of(&self.headers.text)
    }

    /// How many bytes of text the head holds: of one that was read, as many as were received.
    #[must_use]
    pub fn text_len(&self) -> usize {
        self.headers.text.len()
    }

    /// The request target, exactly as it stood in the request line.
    #[must_use]
    #[inline]
    pub fn target(&self) -> &[u8] {
        self.target.of(&self.headers.text)
    }
}

/// The head of a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResponseHead {
    /// The version in the status line.
    pub version: Version,
    /// The status code, 100 to 999.
    pub status: u16,
    pub(crate) reason: Span,
    /// The field lines.
    pub headers: Headers,
}

impl ResponseHead {
    /// A head without fields. The bytes are taken as they are.
    #[must_use]
    pub fn new(version: Version, status: u16, reason: impl AsRef<[u8]>) -> ResponseHead {
        let mut headers = Headers::new();
        let reason = Span::append(&mut headers.text, reason.as_ref());
        ResponseHead { version, status, reason, headers }
    }

    /// The reason phrase, as sent; it may be empty.
    #[must_use]
    pub fn reason(&self) -> &[u8] {
        self.reason.of(&self.headers.text)
    }

    /// Whether more heads follow for the same request: any 1xx but 101, after which HTTP ends (RFC 9110 §15.2).
    #[must_use]
    pub fn is_interim(&self) -> bool {
        (100..200).contains(&self.status) && self.status != 101
    }
}
