//! A request that was validated.

use std::borrow::Cow;

use lab_http::h1::request::validate_request;
use lab_http::message::target::{Form, Target};
use lab_http::{BodyLength, Refusal, RequestHead};

use crate::config::request_head::RequestHeadConfig;
use crate::routing::uri;

/// A valid request head, with everything that routing and variables need.
#[derive(Debug)]
pub struct Request<'h> {
    /// Without the fields that [`remove_unsafe_fields`] removes.
    pub head: &'h RequestHead,
    pub target: Target<'h>,
    /// `$uri`: the normalised path.
    pub path: Cow<'h, [u8]>,
    /// The host, lower-case, without a port and a final dot.
    pub host: Option<Cow<'h, [u8]>>,
    pub body: BodyLength,
    /// Whether the client wants the connection to stay open.
    pub persistent: bool,
    /// Whether the client waits for `100 Continue`.
    pub expects_continue: bool,
    /// The size of the head as received.
    pub head_bytes: u64,
}

/// Fields that nginx accepts once. Of any other, several lines pass.
const SINGLE: [&str; 8] = [
    "authorization",
    "content-range",
    "expect",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
];

impl<'h> Request<'h> {
    /// Validates a head.
    ///
    /// # Errors
    /// Bad framing, a bad host or target, or a method that proxies do not serve. The refusal has the status of the
    /// response.
    pub fn validate(head: &'h RequestHead, merge_slashes: bool) -> Result<Request<'h>, Refusal> {
        let valid = validate_request(head)?;
        if SINGLE.iter().any(|name| head.headers.get_all(name).nth(1).is_some()) {
            return Err(Refusal::FieldRepeated);
        }
        if valid.target.host.is_some_and(has_odd_dots) {
            return Err(Refusal::Host);
        }
        let path = uri::normalise(valid.target.path, merge_slashes).map_err(|_| Refusal::Target)?;
        Ok(Request {
            path,
            host: valid.target.host.map(bare_host),
            head,
            target: valid.target,
            body: valid.body,
            persistent: valid.persistent,
            expects_continue: valid.expects_continue,
            head_bytes: head.text_len() as u64,
        })
    }

    /// An empty request in place of a refused one, whose data must not reach variables or upstreams.
    #[must_use]
    pub fn placeholder(head: &'h RequestHead) -> Request<'h> {
        Request {
            target: Target { form: Form::Origin, path: b"/", query: None, host: None },
            path: Cow::Borrowed(b"/"),
            host: None,
            body: BodyLength::None,
            persistent: false,
            expects_continue: false,
            head_bytes: 0,
            head,
        }
    }
}

/// Removes fields that must reach neither variables nor an upstream, before the proxy adds its own:
///
/// - fields that Connection names (RFC 9110 §7.6.1), so that `Connection: X-Forwarded-For` cannot remove what the
///   proxy adds; except those that frame or route the message;
/// - fields whose names have other characters than letters, digits and dashes: behind a CGI-style gateway, `X_Real_IP`
///   and `X-Real-IP` are the same. `ignore_invalid_headers` and `underscores_in_headers` change this.
pub fn remove_unsafe_fields(head: &mut RequestHead, rules: &RequestHeadConfig) {
    // every request for another protocol names Upgrade, which is only passed on if the configuration says so
    const NOT_TO_BE_NAMED: [&[u8]; 5] = [b"connection", b"content-length", b"host", b"transfer-encoding", b"upgrade"];
    const HARMLESS: [&[u8]; 2] = [b"close", b"keep-alive"];
    let is_one_of = |list: &[&[u8]], name: &[u8]| list.iter().any(|own| name.eq_ignore_ascii_case(own));
    let mut unwanted: Vec<String> = Vec::new();
    for option in head.headers.list("connection") {
        if !is_one_of(&HARMLESS, option) && !is_one_of(&NOT_TO_BE_NAMED, option) {
            unwanted.push(String::from_utf8_lossy(option).into_owned());
        }
    }
    for (name, _) in head.headers.iter() {
        let is_valid =
            |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'-' || (*byte == b'_' && rules.underscores);
        if rules.ignore_invalid && !name.iter().all(is_valid) {
            unwanted.push(String::from_utf8_lossy(name).into_owned());
        }
    }
    for name in unwanted {
        head.headers.remove(&name);
    }
}

/// Whether a host has two dots in a row, or nothing but a dot. As nginx refuses them.
fn has_odd_dots(host: &[u8]) -> bool {
    host.windows(2).any(|pair| pair == b"..") || (!host.is_empty() && bare_host(host).is_empty())
}

/// `$host`: the host without its port.
#[must_use]
pub fn bare_host(host: &[u8]) -> Cow<'_, [u8]> {
    let end = match host.first() {
        Some(b'[') => memchr::memchr(b']', host).map_or(host.len(), |bracket| bracket + 1),
        _ => memchr::memchr(b':', host).unwrap_or(host.len()),
    };
    let host = host[..end].strip_suffix(b".").unwrap_or(&host[..end]);
    if host.iter().any(u8::is_ascii_uppercase) { Cow::Owned(host.to_ascii_lowercase()) } else { Cow::Borrowed(host) }
}

#[cfg(test)]
mod tests {
    use lab_http::Version;

    use super::*;

    fn head(lines: &[(&str, &str)]) -> RequestHead {
        let mut head = RequestHead::new("GET", "/", Version::Http11);
        for (name, value) in lines {
            head.headers.push(name, value);
        }
        head
    }

    #[test]
    fn hosts_are_bare_and_lower_case() {
        for (host, expected) in [
            ("Example.ORG:8080", "example.org"),
            ("example.org.", "example.org"),
            ("example.org.:80", "example.org"),
            ("[::1]:80", "[::1]"),
            ("127.0.0.1", "127.0.0.1"),
        ] {
            let head = head(&[("Host", host)]);
            let request = Request::validate(&head, true).unwrap();
            assert_eq!(request.host.as_deref(), Some(expected.as_bytes()), "{host}");
        }
    }

    #[test]
    fn unsafe_fields_are_removed() {
        let head = head(&[
            ("Host", "a"),
            ("X-Forwarded-For", "1.2.3.4"),
            ("X_Real_IP", "1.2.3.4"),
            ("X.Y", "1"),
            ("Connection", "close, x-forwarded-for, Host"),
            ("X-Kept", "1"),
        ]);
        let defaults = RequestHeadConfig {
            allows_bare_lf: false,
            timeout: std::time::Duration::ZERO,
            line: 0,
            total: 0,
            underscores: false,
            ignore_invalid: true,
            merge_slashes: true,
        };
        let cleaned = |rules: RequestHeadConfig| {
            let mut head = head.clone();
            remove_unsafe_fields(&mut head, &rules);
            let names = head.headers.iter().map(|(name, _)| String::from_utf8_lossy(name).into_owned());
            names.collect::<Vec<_>>().join(" ")
        };
        assert_eq!(cleaned(defaults), "Host Connection X-Kept");
        assert_eq!(cleaned(RequestHeadConfig { underscores: true, ..defaults }), "Host X_Real_IP Connection X-Kept");
        assert_eq!(
            cleaned(RequestHeadConfig { ignore_invalid: false, ..defaults }),
            "Host X_Real_IP X.Y Connection X-Kept"
        );
    }

    #[test]
    fn paths_above_the_root_are_refused() {
        let head = {
            let mut head = RequestHead::new("GET", "/a/../../etc", Version::Http11);
            head.headers.push("Host", "a");
            head
        };
        assert_eq!(Request::validate(&head, true).unwrap_err(), Refusal::Target);
    }
}
