//! Where the requests of lab's own drivers go, and what they say.

use std::net::{SocketAddr, ToSocketAddrs as _};
use std::sync::Arc;
use std::time::Duration;

use http::Request;
use lab_net::tls::{HTTP_1_1, HTTP_2};
use reqwest::Url;

use crate::driver::DriveError;
use crate::protocol::{DrivePlan, Http};
use crate::tls::{ClientTls, server_name};

const AGENT: &str = concat!("lab/", env!("CARGO_PKG_VERSION"));

/// Where requests go, and what they say.
#[derive(Debug)]
pub(super) struct Target {
    /// The stack's address.
    pub(super) address: SocketAddr,
    /// TLS, if it is spoken.
    pub(super) tls: Option<ClientTls>,
    /// The request.
    pub(super) said: Said,
    /// How long connecting and asking may take together.
    pub(super) timeout: Duration,
}

/// A request, in the version of HTTP that is spoken.
#[derive(Debug)]
pub(super) enum Said {
    /// All its bytes, and whether the connection may be kept.
    Http1 { bytes: Arc<[u8]>, keeps: bool },
    /// Its fields, and how many may be under way on a connection at once.
    Http2 {
        /// The head; there is no body.
        head: Arc<Request<()>>,
        /// At least one.
        streams: usize,
    },
}

impl Target {
    /// The target of a plan; its URL has been looked at.
    pub(super) fn of(plan: &DrivePlan, url: &Url) -> Result<Target, DriveError> {
        let no_address = || DriveError::Url { url: url.to_string() };
        let host = url.host_str().ok_or_else(no_address)?;
        let port = url.port_or_known_default().ok_or_else(no_address)?;
        let bare_host = host.trim_start_matches('[').trim_end_matches(']');
        let address = (bare_host, port).to_socket_addrs()?.next().ok_or_else(no_address)?;
        let name = server_name(plan.tls.as_ref(), host);
        let authority = match url.port() {
            Some(port) => format!("{name}:{port}"),
            None => name.to_owned(),
        };
        let path = match url.query() {
            Some(query) => format!("{}?{query}", url.path()),
            None => url.path().to_owned(),
        };
        let version = if matches!(plan.http, Http::Two { .. }) { HTTP_2 } else { HTTP_1_1 };
        let tls = plan.tls.as_ref().map(|tls| ClientTls::new(&tls.trust, name, version)).transpose()?;
        let said = match plan.http {
            Http::OneZero => Said::http1(&authority, &path, "1.0"),
            Http::OneOne => Said::http1(&authority, &path, "1.1"),
            Http::Two { streams } => {
                let uri = format!("{}://{authority}{path}", url.scheme());
                let head = Request::get(uri).header("user-agent", AGENT).header("accept", "*/*").body(());
                let head = head.map_err(|_| no_address())?;
                Said::Http2 { head: Arc::new(head), streams: streams.get() as usize }
            }
        };
        Ok(Target { address, tls, said, timeout: plan.timeout })
    }

    /// How many requests a connection may have under way at once.
    pub(super) fn streams(&self) -> usize {
        match self.said {
            Said::Http1 { .. } => 1,
            Said::Http2 { streams, .. } => streams,
        }
    }
}

impl Said {
    /// A GET of `path` with `authority` for its Host.
    fn http1(authority: &str, path: &str, version: &str) -> Said {
        let text =
            format!("GET {path} HTTP/{version}\r\nHost: {authority}\r\nUser-Agent: {AGENT}\r\nAccept: */*\r\n\r\n");
        Said::Http1 { bytes: text.into_bytes().into(), keeps: version != "1.0" }
    }
}

#[cfg(test)]
impl Target {
    /// A GET of `/` in the clear at `address`.
    pub(super) fn plain(address: SocketAddr, timeout: Duration) -> Target {
        Target { address, tls: None, said: Said::http1("there", "/", "1.1"), timeout }
    }
}
