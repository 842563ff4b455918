//! What an app saw of a request: the JSON that `/headers` answers with and that checks read.
//!
//! The sample app writes it, [`check`](crate::check) judges it, and any other app under test can write it too:
//! the shape is the contract, not the code.

use serde::{Deserialize, Serialize};

use lab_http::extensions::ArrivedHead;

/// A request as it arrived, and as the app saw it after its middleware.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppView {
    /// As it arrived at the app server, before any middleware.
    pub upstream: Arrived,
    /// As the app sees it, after its middleware.
    pub app: Seen,
    /// As the app would have seen it without ProxyFix.
    pub before_proxy_fix: Seen,
}

/// A request as it arrived on the wire.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arrived {
    /// The method.
    pub method: String,
    /// The request target as it stood in the request line.
    pub target: String,
    /// `HTTP/1.1` or `HTTP/1.0`.
    pub version: String,
    /// Header lines in order, duplicates and the case of names kept; bytes are read as Latin-1.
    pub headers: Vec<(String, String)>,
}

impl From<&ArrivedHead> for Arrived {
    fn from(head: &ArrivedHead) -> Arrived {
        Arrived {
            method: head.method(),
            target: head.target(),
            version: head.version_text().to_owned(),
            headers: head.lines(),
        }
    }
}

/// What the app sees; named as in Flask.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// `request.remote_addr`
    pub remote_addr: String,
    /// `request.scheme`
    pub scheme: String,
    /// `request.host`: with the port, unless it is the scheme's own
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
