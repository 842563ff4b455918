//! The state of a connection and of a request that variables can read.

use std::cell::Cell;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::cache_outcome::CacheOutcome;
use super::client_handshake::ClientHandshake;
use crate::config::address::Address;
use lab_http::Headers;
use lab_net::proxy_protocol::Addresses;

#[derive(Debug, Clone)]
pub struct ClientConnection {
    /// Unique in this process.
    pub serial: u64,
    /// How many requests it has made, including the current one.
    pub requests: usize,
    /// Its age when the current request began.
    pub age: Duration,
    /// Whether the current request arrived before the response to the previous one was sent.
    pub is_pipelined: bool,
    /// The client's address; none on a unix socket.
    pub peer: Option<SocketAddr>,
    /// The client's address as text, which most requests need; `unix:` on a unix socket.
    pub peer_address: String,
    /// The address that the client connected to.
    pub local: Address,
    /// The PROXY header, if `listen` has `proxy_protocol`.
    pub announced: Option<Addresses>,
    /// The PROXY header as it was received; empty without one.
    pub proxy_header: Vec<u8>,
    /// The TLS session, which the streams of a connection share.
    pub tls: Option<Arc<ClientHandshake>>,
    /// Whether the socket is for TLS, and the client speaks plain HTTP.
    pub is_plain_on_tls: bool,
}

/// The progress of a request, and at its end the outcome.
#[derive(Debug, Clone)]
pub struct RequestOutcome {
    /// The status of the response; 0 before there is one.
    pub status: u16,
    /// Bytes of heads sent to the client.
    pub head_bytes: u64,
    /// Bytes sent to the client after the head, framing included.
    pub body_bytes: u64,
    /// Bytes of content read from the request's body.
    pub request_body_bytes: u64,
    /// Whether the body below is kept. It is if a variable of the configuration reads it.
    pub keeps_request_body: bool,
    /// The request's body, if it was collected in memory.
    pub request_body: Vec<u8>,
    /// The file that the request's body was collected in, if it has a name.
    pub request_body_file: Option<PathBuf>,
    /// The effect of compression; none before the end of the response.
    pub compression: Option<Compression>,
    /// Whether the whole response was sent.
    pub is_complete: bool,
    /// The time of the evaluation.
    pub now: SystemTime,
    /// The time since the first byte of the request.
    pub elapsed: Duration,
    /// The upstream servers tried so far.
    pub attempts: Vec<Attempt>,
    /// Whether the heads below are kept. They are if a variable of the configuration reads one.
    pub keeps_response_heads: bool,
    /// The head that was sent to the client.
    pub sent_head: Vec<u8>,
    /// The fields of the upstream's response.
    pub upstream_fields: Headers,
    /// What the cache has done; none without one.
    pub cache: Option<Box<CacheOutcome>>,
    /// Where the slice begins that the request is for, if it is not the first one.
    pub slice_start: Option<u64>,
    /// Whether a slice was requested (`$slice_range`).
    pub is_sliced: Cell<bool>,
}

/// The bytes before and behind a filter that compresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compression {
    /// The content coding.
    pub coding: &'static str,
    pub input: u64,
    pub output: u64,
}

impl Compression {
    /// The ratio with two decimals, as nginx writes it.
    #[must_use]
    pub fn ratio(self) -> Option<String> {
        let rounded = (self.input * 1000).checked_div(self.output)?.saturating_add(5) / 10;
        Some(format!("{}.{:02}", rounded / 100, rounded % 100))
    }
}

/// A request to one upstream server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// The server's address; the name of the upstream if no server was available.
    pub address: Arc<str>,
    /// The status of its response, or of the one that the client got instead.
    pub status: u16,
    /// When it began.
    pub begun: Instant,
    /// How long it took to the end of the response; none before that.
    pub took: Option<Duration>,
    /// How long it took to connect; almost nothing for a connection that was kept.
    pub connected: Option<Duration>,
    /// How long it took to the end of the response's head.
    pub head_took: Option<Duration>,
    pub bytes_sent: u64,
    pub bytes_received: u64,
    /// Bytes of the response's content.
    pub content: u64,
    /// Whether an internal redirect preceded it.
    pub is_redirected: bool,
}

impl ClientConnection {
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
            proxy_header: Vec::new(),
            tls: None,
            is_plain_on_tls: false,
        }
    }

    /// `$scheme`
    #[must_use]
    pub fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }
}

/// Formats an address. Every connection needs this, and the formatting of the standard library costs as much as a
/// system call.
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
    #[must_use]
    pub fn new(address: Arc<str>, begun: Instant) -> Attempt {
        Attempt {
            address,
            status: 0,
            begun,
            took: None,
            connected: None,
            head_took: None,
            bytes_sent: 0,
            bytes_received: 0,
            content: 0,
            is_redirected: false,
        }
    }
}

impl Default for RequestOutcome {
    fn default() -> RequestOutcome {
        RequestOutcome {
            status: 0,
            head_bytes: 0,
            body_bytes: 0,
            request_body_bytes: 0,
            keeps_request_body: false,
            request_body: Vec::new(),
            request_body_file: None,
            compression: None,
            is_complete: false,
            now: UNIX_EPOCH,
            elapsed: Duration::ZERO,
            attempts: Vec::new(),
            keeps_response_heads: false,
            sent_head: Vec::new(),
            upstream_fields: Headers::new(),
            cache: None,
            slice_start: None,
            is_sliced: Cell::new(false),
        }
    }
}

impl RequestOutcome {
    /// An outcome without anything in it.
    #[must_use]
    pub fn new(keeps_response_heads: bool, keeps_request_body: bool) -> RequestOutcome {
        RequestOutcome { keeps_response_heads, keeps_request_body, ..RequestOutcome::default() }
    }

    /// Resets everything, and frees the memory: the next request may be far away.
    pub fn clear(&mut self) {
        *self = RequestOutcome::new(self.keeps_response_heads, self.keeps_request_body);
    }

    /// Whether the response may be stored.
    #[must_use]
    pub fn is_storable(&self) -> bool {
        self.cache.as_ref().is_some_and(|cache| cache.is_storable)
    }

    /// Whether a HEAD is sent as a GET, so that its response can be stored.
    #[must_use]
    pub fn converts_head(&self) -> bool {
        self.cache.as_ref().is_some_and(|cache| cache.converts_head)
    }

    /// Keeps the head that is sent to the client, if a variable reads it.
    pub fn keep_sent(&mut self, head: &[u8]) {
        if self.keeps_response_heads {
            self.sent_head.clear();
            self.sent_head.extend_from_slice(head);
        }
    }

    /// Keeps the fields of an upstream's response, if a variable reads them.
    pub fn keep_upstream(&mut self, fields: &Headers) {
        if self.keeps_response_heads {
            self.upstream_fields.clone_from(fields);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_match_the_standard_library() {
        for octets in [[0, 0, 0, 0], [127, 0, 0, 1], [255, 255, 255, 255], [10, 100, 9, 99], [1, 20, 101, 200]] {
            let address = IpAddr::from(octets);
            assert_eq!(text(address), address.to_string());
        }
        let address = IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1]);
        assert_eq!(text(address), "::1");
    }

    #[test]
    fn ratios_are_rounded() {
        for (input, output, expected) in
            [(0, 20, "0.00"), (1000, 333, "3.00"), (1000, 3, "333.33"), (1995, 1000, "2.00")]
        {
            let ratio = Compression { coding: "gzip", input, output }.ratio();
            assert_eq!(ratio.as_deref(), Some(expected), "{input} to {output}");
        }
        assert_eq!(Compression { coding: "gzip", input: 1, output: 0 }.ratio(), None);
    }
}
