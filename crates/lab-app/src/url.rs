//! URLs as in werkzeug: percent-encoding, hosts, and the URL of a request.
//!
//! Pure functions on text. IDNA is not supported: a host keeps the form in which it was sent.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// The characters that Python's `quote` encodes everywhere.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'_').remove(b'.').remove(b'-').remove(b'~');

/// The characters to encode in a path (the URL standard's path segment, `werkzeug.routing`).
pub const PATH: &AsciiSet = &UNRESERVED
    .remove(b'!')
    .remove(b'$')
    .remove(b'&')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'*')
    .remove(b'+')
    .remove(b',')
    .remove(b'/')
    .remove(b':')
    .remove(b';')
    .remove(b'=')
    .remove(b'@');

/// The same for a path that is partly encoded already.
pub const ENCODED_PATH: &AsciiSet = &PATH.remove(b'%');

/// The same for a query string that is partly encoded already.
pub const ENCODED_QUERY: &AsciiSet = &ENCODED_PATH.remove(b'?');

/// The same for the Path of a cookie, where a semicolon is a delimiter.
pub const COOKIE_PATH: &AsciiSet = &ENCODED_PATH.add(b';');

/// The characters to encode in a URL that is partly encoded already.
const ENCODED_URL: &AsciiSet = &ENCODED_QUERY.remove(b'#').remove(b'[').remove(b']');

/// The characters to encode in a name or value of a query string (`werkzeug.urls._urlencode`). A space becomes `+`.
pub const QUERY_VALUE: &AsciiSet = &PATH.add(b'&').add(b'+').add(b'=').remove(b'?').remove(b' ');

/// Percent-encodes the characters in `set` and all that are not ASCII, as UTF-8.
#[must_use]
pub fn quote<'t>(text: &'t str, set: &'static AsciiSet) -> Cow<'t, str> {
    utf8_percent_encode(text, set).into()
}

/// As [`quote`], with `+` for a space (Python's `quote_plus`).
#[must_use]
pub fn quote_plus(text: &str, set: &'static AsciiSet) -> String {
    quote(text, set).replace(' ', "+")
}

/// Encodes a `Location` for a header field (`werkzeug.urls.iri_to_uri` without IDNA).
#[must_use]
pub fn iri_to_uri(iri: &str) -> Cow<'_, str> {
    quote(iri, ENCODED_URL)
}

/// The decoded path of a request, as in `request.path`: with one leading slash, and invalid UTF-8 replaced.
#[must_use]
pub fn decode_path(raw: &str) -> Cow<'_, str> {
    let decoded = percent_decode_str(raw).decode_utf8_lossy();
    let trimmed = decoded.trim_start_matches('/');
    if decoded.len() == trimmed.len() + 1 {
        return decoded;
    }
    match decoded {
        // Keeps one of the leading slashes.
        Cow::Borrowed(path) if trimmed.len() < path.len() => Cow::Borrowed(&path[path.len() - trimmed.len() - 1..]),
        _ => Cow::Owned(format!("/{trimmed}")),
    }
}

/// Percent-decodes everything except controls, spaces, `%`, the bytes in `keep`, and invalid UTF-8
/// (`werkzeug.urls.uri_to_iri` for one part of a URL).
#[must_use]
pub fn unquote_iri(text: &str, keep: &[u8]) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        match percent_encoded_byte(rest) {
            Some(byte) if byte > b' ' && byte != b'%' && byte != 0x7f && !keep.contains(&byte) => {
                bytes.push(byte);
                rest = &rest[3..];
            }
            Some(_) => {
                bytes.extend_from_slice(&rest[..3]);
                rest = &rest[3..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    utf8_or_quoted(&bytes)
}

/// The bytes as text, with invalid UTF-8 percent-encoded (the error handler `werkzeug.url_quote`).
#[must_use]
pub fn utf8_or_quoted(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(percent_encoding::percent_encode(chunk.invalid(), NON_ALPHANUMERIC));
    }
    text
}

/// `request.host`: the Host field, or the server's name and port without one. The scheme's default port is dropped.
/// Empty if the host is invalid (`werkzeug.sansio.utils.get_host`).
#[must_use]
pub fn host<'h>(scheme: &str, field: Option<Cow<'h, str>>, server_name: &str, server_port: &str) -> Cow<'h, str> {
    let host = match field {
        Some(host) => host,
        None if server_port.parse::<u64>().is_err() => return Cow::Borrowed(""),
        None if server_name.contains(':') && !server_name.starts_with('[') => {
            Cow::Owned(format!("[{server_name}]:{server_port}"))
        }
        None => Cow::Owned(format!("{server_name}:{server_port}")),
    };
    let default_port = match scheme {
        "http" | "ws" => ":80",
        "https" | "wss" => ":443",
        _ => "",
    };
    let length = host.strip_suffix(default_port).map_or(host.len(), str::len);
    if !is_host(&host[..length]) {
        return Cow::Borrowed("");
    }
    match host {
        Cow::Borrowed(host) => Cow::Borrowed(&host[..length]),
        Cow::Owned(mut host) => {
            host.truncate(length);
            Cow::Owned(host)
        }
    }
}

/// The decoded parts of a request's URLs.
#[derive(Debug, Clone, Copy)]
pub struct UrlParts<'r> {
    /// `request.scheme`
    pub scheme: &'r str,
    /// `request.host`
    pub host: &'r str,
    /// `request.root_path`
    pub root_path: &'r str,
}

impl UrlParts<'_> {
    /// `request.url_root`: scheme, host and root path, ending with a slash.
    #[must_use]
    pub fn url_root(&self) -> String {
        let root = unquote_iri(&quote(self.root_path.trim_end_matches('/'), ENCODED_PATH), b"/?#");
        format!("{}://{}{root}/", self.scheme.to_ascii_lowercase(), self.host.to_ascii_lowercase())
    }

    /// `request.base_url`: the root and the path.
    #[must_use]
    pub fn base_url(&self, path: &str) -> String {
        let path = unquote_iri(&quote(path.trim_start_matches('/'), ENCODED_PATH), b"/?#");
        self.url_root() + &path
    }

    /// `request.url`: the root, the path and the query string, readable (an IRI, not a URI).
    #[must_use]
    pub fn url(&self, path: &str, query_string: &str) -> String {
        let base = self.base_url(path);
        if query_string.is_empty() {
            return base;
        }
        format!("{base}?{}", unquote_iri(&quote(query_string, ENCODED_QUERY), b"&=+#"))
    }
}

fn percent_encoded_byte(text: &[u8]) -> Option<u8> {
    let [b'%', high, low, ..] = text else { return None };
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    Some(digit(*high)? << 4 | digit(*low)?)
}

/// A name, an IPv4 address or an IPv6 address in brackets, with or without a port of 1 to 65535.
fn is_host(host: &str) -> bool {
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !host.ends_with(']') => (name, Some(port)),
        _ => (host, None),
    };
    let is_port = |port: &str| {
        port.len() <= 5
            && port.starts_with(|c: char| matches!(c, '1'..='9'))
            && port.bytes().all(|b| b.is_ascii_digit())
            && port.parse::<u16>().is_ok()
    };
    let is_name = match name.strip_prefix('[').and_then(|name| name.strip_suffix(']')) {
        Some(address) => {
            address.contains(':') && address.bytes().all(|b| b.is_ascii_hexdigit() || matches!(b, b':' | b'.'))
        }
        None => !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-')),
    };
    is_name && port.is_none_or(is_port)
}
