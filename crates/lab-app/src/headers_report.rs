//! The JSON of the sample app's `/headers`: a request as received and as seen by the app.
//!
//! lab's checks read this JSON. Other apps under test may produce it too, so its format is a contract.

use serde::{Deserialize, Serialize};

use lab_http::message::extensions::RawHead;

/// The body of `/headers`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeadersReport {
    /// The request as the app server received it, before any middleware.
    pub upstream: ReceivedRequest,
    /// The request as the app sees it, after its middleware.
    pub app: RequestView,
    /// The request as the app would see it without ProxyFix.
    pub before_proxy_fix: RequestView,
}

/// A request as received.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceivedRequest {
    pub method: String,
    /// The request target, as in the request line.
    pub target: String,
    /// `HTTP/1.1` or `HTTP/1.0`.
    pub version: String,
    /// The header lines in order, with duplicates and the original case of names. Bytes decode as Latin-1.
    pub headers: Vec<(String, String)>,
}

impl From<&RawHead> for ReceivedRequest {
    fn from(head: &RawHead) -> ReceivedRequest {
        ReceivedRequest {
            method: head.method(),
            target: head.target(),
            version: head.version_text().to_owned(),
            headers: head.lines(),
        }
    }
}

/// The attributes of Flask's `request` that a proxy can change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestView {
    /// `request.remote_addr`
    pub remote_addr: String,
    /// `request.scheme`
    pub scheme: String,
    /// `request.host`: with its port, unless that is the scheme's default
    pub host: String,
    /// `request.root_path`: SCRIPT_NAME
    pub root_path: String,
    /// `request.path`
    pub path: String,
    /// `request.query_string`
    pub query_string: String,
    /// `request.url_root`
    pub url_root: String,
}
