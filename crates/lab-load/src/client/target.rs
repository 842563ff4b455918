//! The target of lab's own drivers: the stack's address and the prepared request.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::sync::Arc;
use std::time::Duration;

use http::Request;
use reqwest::Url;

use super::tls::{ClientTls, TlsError, server_name};
use crate::wire::{DrivePlan, Http};
use lab_net::tls::{HTTP_1_1, HTTP_2};

const AGENT: &str = concat!("lab/", env!("CARGO_PKG_VERSION"));

/// The stack's address and the request that every arrival sends.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    pub(crate) tls: Option<ClientTls>,
    pub(crate) request: PreparedRequest,
    /// The limit for connecting and the request together.
    pub(crate) timeout: Duration,
}

/// A GET, encoded once for the plan's version of HTTP.
#[derive(Debug)]
pub(crate) enum PreparedRequest {
    Http1 {
        bytes: Arc<[u8]>,
        keep_alive: bool,
    },
    Http2 {
        head: Arc<Request<()>>,
        /// Concurrent requests of each connection; at least one.
        streams: usize,
    },
}

/// The reason why a plan has no target.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TargetError {
    #[error("no address for `{0}`")]
    Url(String),
    #[error(transparent)]
    Resolve(#[from] io::Error),
    #[error(transparent)]
    Tls(#[from] TlsError),
}

impl Target {
    /// The target of a plan whose URL has been parsed as `url`.
    pub(crate) fn new(plan: &DrivePlan, url: &Url) -> Result<Target, TargetError> {
        let no_address = || TargetError::Url(url.to_string());
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
        let request = match plan.http {
            Http::OneZero => PreparedRequest::http1(&authority, &path, "1.0"),
            Http::OneOne => PreparedRequest::http1(&authority, &path, "1.1"),
            Http::Two { streams } => {
                let uri = format!("{}://{authority}{path}", url.scheme());
                let head = Request::get(uri).header("user-agent", AGENT).header("accept", "*/*").body(());
                let head = head.map_err(|_| no_address())?;
                PreparedRequest::Http2 { head: Arc::new(head), streams: streams.get() as usize }
            }
        };
        Ok(Target { address, tls, request, timeout: plan.timeout })
    }

    /// Concurrent requests of each connection.
    pub(crate) fn streams(&self) -> usize {
        match self.request {
            PreparedRequest::Http1 { .. } => 1,
            PreparedRequest::Http2 { streams, .. } => streams,
        }
    }
}

impl PreparedRequest {
    fn http1(authority: &str, path: &str, version: &str) -> PreparedRequest {
        let text =
            format!("GET {path} HTTP/{version}\r\nHost: {authority}\r\nUser-Agent: {AGENT}\r\nAccept: */*\r\n\r\n");
        PreparedRequest::Http1 { bytes: text.into_bytes().into(), keep_alive: version != "1.0" }
    }
}

#[cfg(test)]
impl Target {
    /// A plain HTTP/1.1 GET of `/` at `address`.
    pub(crate) fn plain(address: SocketAddr, timeout: Duration) -> Target {
        Target { address, tls: None, request: PreparedRequest::http1("there", "/", "1.1"), timeout }
    }
}
