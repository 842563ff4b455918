//! What variables can tell of a connection, and of what became of a request.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use lab_http::Headers;
use lab_net::proxy_protocol::Addresses;

use crate::config::upstream::Address;

/// A connection of a client.
#[derive(Debug, Clone)]
pub struct ClientConnection {
    /// A number no other connection of this process has.
    pub serial: u64,
    /// How many requests it has made, the present one included.
    pub requests: usize,
    /// How old it was when the present request began.
    pub age: Duration,
    /// Whether the present request had arrived before the one before it was answered.
    pub is_pipelined: bool,
    /// The client's end; none on a unix socket.
    pub peer: Option<SocketAddr>,
    /// The client's address as text, which most requests need; `unix:` on a unix socket.
    pub peer_address: String,
    /// Our end.
    pub local: Address,
    /// What the connection began with, if its `listen` says `proxy_protocol`.
    pub announced: Option<Addresses>,
}

/// What became of a request, as far as it has got.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The status of the answer, 0 before there is one.
    pub status: u16,
    /// Bytes of heads sent to the client.
    pub head_bytes: u64,
    /// Bytes sent to the client behind the head, framing included.
    pub body_bytes: u64,
    /// Bytes of content that were read of the request's body.
    pub request_body_bytes: u64,
    /// Whether the answer went out to its end.
    pub is_complete: bool,
    /// The present, for what is written now.
    pub now: SystemTime,
    /// How long the request has taken since its first byte.
    pub elapsed: Duration,
    /// The upstream servers asked so far.
    pub attempts: Vec<Attempt>,
    /// Whether the heads below are kept: only if the configuration has a variable that needs one.
    pub keeps_heads: bool,
    /// The head that was sent to the client.
    pub sent_head: Vec<u8>,
    /// The fields of the upstream's answer.
    pub upstream_fields: Headers,
}

/// One upstream server that was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Its address; the upstream's name if none of its servers could be asked.
    pub address: Arc<str>,
    /// What it answered; what the client was told instead, where it did not.
    pub status: u16,
    /// When it was asked first.
    pub begun: Instant,
    /// From then to the end of the answer.
    pub took: Duration,
    /// How long it took until a connection stood; next to nothing for one that was kept.
    pub connected: Option<Duration>,
    /// How long the head of the answer took.
    pub head_took: Option<Duration>,
    /// Bytes sent to it.
    pub bytes_sent: u64,
    /// Bytes received from it.
    pub bytes_received: u64,
    /// Bytes of the answer's content.
    pub content: u64,
    /// Whether the request was redirected within the configuration since the attempt before.
    pub is_redirected: bool,
}

impl ClientConnection {
    /// A connection that has made no request yet.
    #[must_use]
    pub fn new(serial: u64, peer: Option<SocketAddr>, local: Address) -> ClientConnection {
        let peer_address = peer.map_or_else(|| "unix:".to_owned(), |peer| text(peer.ip()));
        ClientConnection {
            serial,
            requests: 0,
            age: Duration::ZERO,
            is_pipelined: false,
            peer,
            peer_address,
            local,
            announced: None,
        }
    }
}

/// An address as text. Every connection needs it, and the formatting of the library costs as much as a system call.
fn text(address: IpAddr) -> String {
    let IpAddr::V4(address) = address else { return address.to_string() };
    let mut text = String::with_capacity("255.255.255.255".len());
    for (place, number) in address.octets().into_iter().enumerate() {
        if place > 0 {
            text.push('.');
        }
        for unit in [100, 10, 1] {
            if number >= unit || unit == 1 {
                text.push(char::from(b'0' + number / unit % 10));
            }
        }
    }
    text
}

impl Attempt {
    /// A server that is asked now.
    #[must_use]
    pub fn new(address: Arc<str>, begun: Instant) -> Attempt {
        Attempt {
            address,
            status: 0,
            begun,
            took: Duration::ZERO,
            connected: None,
            head_took: None,
            bytes_sent: 0,
            bytes_received: 0,
            content: 0,
            is_redirected: false,
        }
    }
}

impl Default for Outcome {
    fn default() -> Outcome {
        Outcome {
            status: 0,
            head_bytes: 0,
            body_bytes: 0,
            request_body_bytes: 0,
            is_complete: false,
            now: UNIX_EPOCH,
            elapsed: Duration::ZERO,
            attempts: Vec::new(),
            keeps_heads: false,
            sent_head: Vec::new(),
            upstream_fields: Headers::new(),
        }
    }
}

impl Outcome {
    /// Nothing yet. The heads of answers are kept only if some variable needs them.
    #[must_use]
    pub fn new(keeps_heads: bool) -> Outcome {
        Outcome { keeps_heads, ..Outcome::default() }
    }

    /// Forgets everything, and gives the memory back: the next request may be long in coming.
    pub fn clear(&mut self) {
        *self = Outcome::new(self.keeps_heads);
    }

    /// Keeps the head that is sent to the client, if it is needed.
    pub fn keep_sent(&mut self, head: &[u8]) {
        if self.keeps_heads {
            self.sent_head.clear();
            self.sent_head.extend_from_slice(head);
        }
    }

    /// Keeps the fields of an upstream's answer, if they are needed.
    pub fn keep_upstream(&mut self, fields: &Headers) {
        if self.keeps_heads {
            self.upstream_fields.clone_from(fields);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_written_as_the_library_writes_them() {
        for octets in [[0, 0, 0, 0], [127, 0, 0, 1], [255, 255, 255, 255], [10, 100, 9, 99], [1, 20, 101, 200]] {
            let address = IpAddr::from(octets);
            assert_eq!(text(address), address.to_string());
        }
        let address = IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1]);
        assert_eq!(text(address), "::1");
    }
}
