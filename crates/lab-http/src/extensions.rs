//! What a host of an app puts into a request's extensions: what `http::Request` cannot hold.
//!
//! A server inserts these types; an app reads them. An app hosted by something else finds none and makes do with the
//! request's own parts.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use crate::{RequestHead, Version};

/// The head of a request as it arrived: target, order, duplicates and the case of names, which `http::Request` loses.
///
/// Cheap to clone; the text is only made when it is asked for. Bytes are read as Latin-1, as WSGI does (PEP 3333).
#[derive(Debug, Clone)]
pub struct ArrivedHead(Arc<RequestHead>);

/// The two ends of the connection a request arrived on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectionInfo {
    /// A TCP connection.
    Tcp {
        /// Who connected.
        peer: SocketAddr,
        /// Where the peer connected to.
        local: SocketAddr,
    },
    /// A connection over a unix socket, whose peer has no address.
    Unix,
}

/// The connection is over TLS, so that the scheme is `https`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OverTls;

impl fmt::Display for ConnectionInfo {
    /// Who connected.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConnectionInfo::Tcp { peer, .. } => write!(f, "{peer}"),
            ConnectionInfo::Unix => f.write_str("unix"),
        }
    }
}

impl ArrivedHead {
    /// A head made up for a test. A version other than `HTTP/1.0` counts as `HTTP/1.1`.
    #[must_use]
    pub fn new(method: &str, target: &str, version: &str, lines: &[(&str, &str)]) -> ArrivedHead {
        let version = if version == "HTTP/1.0" { Version::Http10 } else { Version::Http11 };
        let mut head = RequestHead::new(method, target, version);
        for (name, value) in lines {
            head.headers.push(name, value);
        }
        ArrivedHead::from(head)
    }

    /// The head itself, in bytes.
    #[must_use]
    pub fn head(&self) -> &RequestHead {
        &self.0
    }

    /// The method.
    #[must_use]
    pub fn method(&self) -> String {
        latin1(self.0.method())
    }

    /// The request target, as it stood in the request line.
    #[must_use]
    pub fn target(&self) -> String {
        latin1(self.0.target())
    }

    /// `HTTP/1.1` or `HTTP/1.0`.
    #[must_use]
    pub fn version_text(&self) -> &'static str {
        self.0.version.text()
    }

    /// The field lines in order, duplicates and the case of names kept.
    #[must_use]
    pub fn lines(&self) -> Vec<(String, String)> {
        self.0.headers.iter().map(|(name, value)| (latin1(name), latin1(value))).collect()
    }
}

impl From<RequestHead> for ArrivedHead {
    fn from(head: RequestHead) -> ArrivedHead {
        ArrivedHead(Arc::new(head))
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
        let arrived = ArrivedHead::from(head);
        assert_eq!((arrived.method(), arrived.target()), ("GET".to_owned(), "/a%20b?c".to_owned()));
        assert_eq!(arrived.version_text(), "HTTP/1.0");
        assert_eq!(arrived.lines(), [("x-B".to_owned(), "café".to_owned()), ("X-b".to_owned(), String::new())]);
    }
}
