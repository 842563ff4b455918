//! The settings of HTTP/2 (gunicorn's "HTTP/2" settings).

use lab_http::http2::Http2Limits;
use lab_net::tls::{HTTP_1_1, HTTP_2};
use serde::{Deserialize, Serialize};

use crate::trusted_peers::TrustedPeers;

/// The largest header list of a client that lab reads; gunicorn's limit of 0 means no limit at all.
const LARGEST_HEADER_LIST: u32 = 1 << 20;

/// gunicorn's settings, unvalidated. Over TLS, a client chooses HTTP/2 by ALPN.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Http2Settings {
    /// Whether HTTP/1.1 comes before HTTP/2 in `http_protocols`. A client that knows no HTTP/2 gets HTTP/1.1 in any case.
    pub prefers_http1: bool,
    #[serde(default)]
    pub cleartext: CleartextHttp2,
    pub max_concurrent_streams: u32,
    /// How many bytes of a request's body the client may send before they are read.
    pub initial_window_size: u32,
    pub max_frame_size: u32,
    /// Bytes of a request's head; 0 for the largest that lab reads.
    pub max_header_list_size: u32,
}

/// Whether a connection without TLS may speak HTTP/2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CleartextHttp2 {
    #[default]
    Off,
    /// Trusted peers must speak HTTP/2 from the first byte (RFC 9113 §3.3).
    PriorKnowledge,
}

/// The validated settings of a worker.
#[derive(Debug, Clone)]
pub struct Http2Config {
    pub limits: Http2Limits,
    /// The peers whose connections without TLS speak HTTP/2; None for no peer.
    pub cleartext_peers: Option<TrustedPeers>,
}

impl Http2Settings {
    /// The protocols that ALPN offers, the preferred one first.
    #[must_use]
    pub fn alpn_protocols(&self) -> Vec<Vec<u8>> {
        let protocols = if self.prefers_http1 { [HTTP_1_1, HTTP_2] } else { [HTTP_2, HTTP_1_1] };
        protocols.map(<[u8]>::to_vec).to_vec()
    }

    /// `forwarded` are the peers of `forwarded_allow_ips`.
    #[must_use]
    pub fn config(&self, forwarded: TrustedPeers) -> Http2Config {
        Http2Config {
            limits: Http2Limits {
                max_concurrent_streams: self.max_concurrent_streams,
                stream_window: self.initial_window_size,
                max_frame_size: self.max_frame_size,
                max_header_list_size: match self.max_header_list_size {
                    0 => LARGEST_HEADER_LIST,
                    size => size.min(LARGEST_HEADER_LIST),
                },
            },
            cleartext_peers: (self.cleartext == CleartextHttp2::PriorKnowledge).then_some(forwarded),
        }
    }
}
