//! What bounds a client: sizes and times, by the names and defaults of gunicorn and nginx where they have them.

use std::time::Duration;

use lab_http::Limits;

use crate::proxy_protocol::HeaderPolicy;

/// How connections are treated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Bounds on heads and on the framing of bodies (gunicorn's `limit_request_*`).
    pub limits: Limits,
    /// How long a head may take to arrive, from its first byte to its last, and a new connection to send that first
    /// byte (nginx's `client_header_timeout`).
    pub header_timeout: Duration,
    /// How long a connection may be idle between two requests (gunicorn's `keepalive`).
    pub keep_alive: Duration,
    /// How long a body may stall between two reads (nginx's `client_body_timeout`).
    pub body_timeout: Duration,
    /// How long a client may not read between two writes (nginx's `send_timeout`).
    pub send_timeout: Duration,
    /// Bytes of a body that the app did not read which are read for it, to keep the connection.
    pub drain_bytes: u64,
    /// How long a connection is read from after it was closed for writing, so that its client gets to read the answer
    /// (nginx's `lingering_timeout`).
    pub linger_timeout: Duration,
    /// Bytes read in that time, at most.
    pub linger_bytes: u64,
    /// Whether connections are over TLS.
    pub is_tls: bool,
    /// The headers with which proxies say who their clients are; None if there are to be none.
    pub proxy_protocol: Option<HeaderPolicy>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            limits: Limits::default(),
            header_timeout: Duration::from_secs(60),
            keep_alive: Duration::from_secs(2),
            body_timeout: Duration::from_secs(60),
            send_timeout: Duration::from_secs(60),
            drain_bytes: 64 * 1024,
            linger_timeout: Duration::from_secs(5),
            linger_bytes: 4 * 1024 * 1024,
            is_tls: false,
            proxy_protocol: None,
        }
    }
}
