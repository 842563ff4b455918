//! Request extensions: what `http::Request` cannot hold.
//!
//! A server inserts these types, and an app reads them. Under a server that inserts none, an app falls back on the
//! request's own parts.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use super::head::{RequestHead, Version};

/// The head of a request as received. It keeps the target, and the order, duplicates and case of field names, which
/// `http::Request` loses.
///
/// Cheap to clone; text is converted on demand. Bytes decode as Latin-1, as in WSGI (PEP 3333).
#[derive(Debug, Clone)]
pub struct RawHead(Arc<RequestHead>);

/// The addresses of a request's connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectionInfo {
    Tcp {
        peer: SocketAddr,
        local: SocketAddr,
    },
    /// A unix socket, whose peer has no address.
    Unix,
}

/// Marks a request over TLS, whose scheme is `https`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OverTls;

impl fmt::Display for ConnectionInfo {
    /// Writes the peer.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConnectionInfo::Tcp { peer, .. } => write!(f, "{peer}"),
            ConnectionInfo::Unix => f.write_str("unix"),
        }
    }
}

impl RawHead {
    /// A head for tests. A version other than `HTTP/1.0` counts as `HTTP/1.1`.
    #[must_use]
    pub fn new(method: &str, target: &str, version: &str, lines: &[(&str, &str)]) -> RawHead {
        let version = if version == "HTTP/1.0" { Version::Http10 } else { Version::Http11 };
        let mut head = RequestHead::new(method, target, version);
        for (name, value) in lines {
            head.headers.push(name, value);
        }
        RawHead::from(head)
    }

    #[must_use]
    pub fn head(&self) -> &RequestHead {
        &self.0
    }

    #[must_use]
    pub fn method(&self) -> String {
        latin1(self.0.method())
    }

    /// The request target, as in the request line.
    #[must_use]
    pub fn target(&self) -> String {
        latin1(self.0.target())
    }

    /// `HTTP/1.1` or `HTTP/1.0`.
    #[must_use]
    pub fn version_text(&self) -> &'static str {
        self.0.version.text()
    }

    /// The field lines in order, with duplicates and the original case of names.
    #[must_use]
    pub fn lines(&self) -> Vec<(String, String)> {
        self.0.headers.iter().map(|(name, value)| (latin1(name), latin1(value))).collect()
    }
}

impl From<RequestHead> for RawHead {
    fn from(head: RequestHead) -> RawHead {
        RawHead(Arc::new(head))
    }
}

fn latin1(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_keeps_order_case_and_latin1() {
        let mut head = RequestHead::new("GET", "/a%20b?c", Version::Http10);
        head.headers.push("x-B", b"caf\xe9");
        head.headers.push("X-b", "");
        let arrived = RawHead::from(head);
        assert_eq!((arrived.method(), arrived.target()), ("GET".to_owned(), "/a%20b?c".to_owned()));
        assert_eq!(arrived.version_text(), "HTTP/1.0");
        assert_eq!(arrived.lines(), [("x-B".to_owned(), "café".to_owned()), ("X-b".to_owned(), String::new())]);
    }
}
