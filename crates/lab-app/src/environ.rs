//! The part of WSGI's `environ` that describes the connection, with the changes of middleware.
//!
//! It holds only the six keys that ProxyFix may change; the request has the rest.

use std::borrow::Cow;
use std::net::IpAddr;

use http::header::HOST;
use http::{Extensions, HeaderMap, HeaderValue, Uri};

use crate::headers_report::RequestView;
use crate::url::{self, UrlParts};
use lab_http::message::extensions::{ConnectionInfo, OverTls};

/// The keys of WSGI's `environ` that middleware changes, stored in the request's extensions.
///
/// If missing there, it is derived from the connection and the request. Values become text on demand.
#[derive(Debug, Clone)]
pub struct Environ {
    /// `REMOTE_ADDR`: the peer's address, without its port.
    pub remote_addr: EnvironValue,
    /// `wsgi.url_scheme`
    pub url_scheme: EnvironValue,
    /// `HTTP_HOST`: the Host field, or the authority of an absolute request target (RFC 9112 §3.2.2).
    pub http_host: EnvironValue,
    /// `SERVER_NAME`: the address the peer connected to.
    pub server_name: EnvironValue,
    /// `SERVER_PORT`
    pub server_port: EnvironValue,
    /// `SCRIPT_NAME`: the prefix of the app.
    pub script_name: EnvironValue,
    /// `werkzeug.proxy_fix.orig`: the values before ProxyFix changed them.
    pub proxy_fix_orig: Option<Box<Environ>>,
}

/// One value of the environ. Text from the wire is Latin-1 (PEP 3333).
#[derive(Debug, Clone)]
pub enum EnvironValue {
    Absent,
    Static(&'static str),
    /// An address of the connection.
    Ip(IpAddr),
    /// A port of the connection.
    Port(u16),
    /// A whole header field.
    Field(HeaderValue),
    /// Anything else.
    Text(Box<str>),
}

impl Environ {
    /// The environ of a request before any middleware.
    #[must_use]
    pub fn derive(uri: &Uri, headers: &HeaderMap, extensions: &Extensions) -> Self {
        let http_host = match uri.authority() {
            Some(authority) => EnvironValue::Text(authority.as_str().into()),
            None => headers.get(HOST).cloned().map_or(EnvironValue::Absent, EnvironValue::Field),
        };
        let (remote_addr, server_name, server_port) = match extensions.get::<ConnectionInfo>() {
            Some(ConnectionInfo::Tcp { peer, local }) => {
                (EnvironValue::Ip(peer.ip()), EnvironValue::Ip(local.ip()), EnvironValue::Port(local.port()))
            }
            // As in gunicorn.
            Some(ConnectionInfo::Unix) => {
                (EnvironValue::Static(""), EnvironValue::Static("localhost"), EnvironValue::Static("80"))
            }
            // PEP 3333 requires a server name and port; these are placeholders.
            None => (EnvironValue::Absent, EnvironValue::Static("localhost"), EnvironValue::Static("80")),
        };
        Self {
            remote_addr,
            url_scheme: EnvironValue::Static(if extensions.get::<OverTls>().is_some() { "https" } else { "http" }),
            http_host,
            server_name,
            server_port,
            script_name: EnvironValue::Static(""),
            proxy_fix_orig: None,
        }
    }

    /// The environ before ProxyFix, or this one without ProxyFix.
    #[must_use]
    pub fn before_proxy_fix(&self) -> &Self {
        self.proxy_fix_orig.as_deref().unwrap_or(self)
    }

    /// `request.remote_addr`; `None` if the host does not know it.
    #[must_use]
    pub fn remote_addr(&self) -> Option<Cow<'_, str>> {
        self.remote_addr.text()
    }

    /// `request.scheme`
    #[must_use]
    pub fn scheme(&self) -> Cow<'_, str> {
        self.url_scheme.text().unwrap_or(Cow::Borrowed("http"))
    }

    /// `request.host`: with its port, unless that is the scheme's default; empty if invalid.
    #[must_use]
    pub fn host(&self) -> Cow<'_, str> {
        let name = self.server_name.text().unwrap_or_default();
        let port = self.server_port.text().unwrap_or_default();
        url::host(&self.scheme(), self.http_host.text(), &name, &port)
    }

    /// `request.root_path`: SCRIPT_NAME read as UTF-8, without a trailing slash.
    #[must_use]
    pub fn root_path(&self) -> Cow<'_, str> {
        match self.script_name.text().unwrap_or_default() {
            Cow::Borrowed(text) if text.is_ascii() => Cow::Borrowed(text.trim_end_matches('/')),
            text => {
                let bytes: Vec<u8> = text.chars().map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?')).collect();
                Cow::Owned(String::from_utf8_lossy(&bytes).trim_end_matches('/').to_owned())
            }
        }
    }

    /// Passes the parts of `request.url_root`, `request.base_url` or `request.url` to `make`.
    pub fn with_url_parts<T>(&self, make: impl FnOnce(UrlParts<'_>) -> T) -> T {
        make(UrlParts { scheme: &self.scheme(), host: &self.host(), root_path: &self.root_path() })
    }

    /// An app's view of a request with this environ, decoded path and query string.
    #[must_use]
    pub fn view(&self, path: &str, query_string: &str) -> RequestView {
        RequestView {
            remote_addr: self.remote_addr().unwrap_or_default().into_owned(),
            scheme: self.scheme().into_owned(),
            host: self.host().into_owned(),
            root_path: self.root_path().into_owned(),
            path: path.to_owned(),
            query_string: query_string.to_owned(),
            url_root: self.with_url_parts(|parts| parts.url_root()),
        }
    }

    /// The present keys by their WSGI names, in the order of PEP 3333's list.
    pub fn items(&self) -> impl Iterator<Item = (&'static str, Cow<'_, str>)> {
        let keys = [
            ("SCRIPT_NAME", &self.script_name),
            ("SERVER_NAME", &self.server_name),
            ("SERVER_PORT", &self.server_port),
            ("REMOTE_ADDR", &self.remote_addr),
            ("HTTP_HOST", &self.http_host),
            ("wsgi.url_scheme", &self.url_scheme),
        ];
        keys.into_iter().filter_map(|(key, value)| value.text().map(|text| (key, text)))
    }
}

impl EnvironValue {
    /// The value as text; `None` if it is absent.
    #[must_use]
    pub fn text(&self) -> Option<Cow<'_, str>> {
        Some(match self {
            Self::Absent => return None,
            Self::Static(text) => Cow::Borrowed(*text),
            Self::Ip(address) => Cow::Owned(address.to_string()),
            Self::Port(port) => Cow::Owned(port.to_string()),
            Self::Field(value) => latin1(value.as_bytes()),
            Self::Text(text) => Cow::Borrowed(&**text),
        })
    }
}

impl From<Cow<'_, str>> for EnvironValue {
    fn from(text: Cow<'_, str>) -> Self {
        match &*text {
            "https" => Self::Static("https"),
            "http" => Self::Static("http"),
            _ => Self::Text(text.into_owned().into_boxed_str()),
        }
    }
}

/// Decodes bytes as Latin-1 (PEP 3333's native strings).
#[must_use]
pub fn latin1(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) if text.is_ascii() => Cow::Borrowed(text),
        _ => Cow::Owned(bytes.iter().copied().map(char::from).collect()),
    }
}
