//! Request targets and hosts (RFC 9112 §3.2).

use std::borrow::Cow;

use super::head::{RequestHead, Version};
use super::refusal::Refusal;

/// A parsed request target. Its bytes are as sent, neither decoded nor normalised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target<'h> {
    pub form: Form,
    /// The path; `*` for the server as a whole.
    pub path: &'h [u8],
    /// The part after the first `?`.
    pub query: Option<&'h [u8]>,
    /// The requested `host[:port]`: that of the target, or else of the Host field (RFC 9112 §3.2.2). None only in
    /// HTTP/1.0.
    pub host: Option<&'h [u8]>,
}

/// The form of a request target. The authority form is missing because CONNECT is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `/path?query`
    Origin,
    /// `http://host/path?query`
    Absolute,
    /// `*`, with OPTIONS only
    Asterisk,
}

impl<'h> Target<'h> {
    /// Parses and validates the target together with the Host field.
    pub fn parse(head: &'h RequestHead) -> Result<Target<'h>, Refusal> {
        if head.method() == b"CONNECT" {
            return Err(Refusal::Connect);
        }
        let field = host_field(head)?;
        let target = head.target();
        match target {
            [b'/', ..] => {
                let (path, query) = split_query(target)?;
                Ok(Target { form: Form::Origin, path, query, host: field })
            }
            b"*" if head.method() == b"OPTIONS" => {
                Ok(Target { form: Form::Asterisk, path: target, query: None, host: field })
            }
            _ => absolute(head.method(), target),
        }
    }

    /// The target in origin form, as sent to an origin server (RFC 9112 §3.2.1); `*` is unchanged.
    #[must_use]
    pub fn origin_form<'t>(&self, head: &'t RequestHead) -> Cow<'t, [u8]> {
        match (self.form, self.query) {
            (Form::Origin | Form::Asterisk, _) => Cow::Borrowed(head.target()),
            (Form::Absolute, None) => Cow::Owned(self.path.to_vec()),
            (Form::Absolute, Some(query)) => Cow::Owned([self.path, b"?", query].concat()),
        }
    }
}

/// Whether `text` is `host[:port]`: a name, an IPv4 address, or an IPv6 address in brackets, optionally with a port in
/// digits (RFC 9110 §7.2, RFC 3986 §3.2). User information, as in `user@host`, is not allowed.
#[must_use]
pub fn is_host(text: &[u8]) -> bool {
    let host_end = match text {
        [b'[', ..] => memchr::memchr(b']', text).map_or(text.len(), |bracket| bracket + 1),
        _ => memchr::memchr(b':', text).unwrap_or(text.len()),
    };
    let (host, port) = text.split_at(host_end);
    let is_valid_host = match host {
        [b'[', address @ .., b']'] => is_ipv6(address) || is_future_address(address),
        name => is_registered_name(name),
    };
    let is_valid_port = match port {
        [] => true,
        [b':', digits @ ..] => digits.len() <= 5 && digits.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    is_valid_host && is_valid_port
}

/// The single valid Host field, which HTTP/1.0 may omit (RFC 9112 §3.2).
fn host_field(head: &RequestHead) -> Result<Option<&[u8]>, Refusal> {
    let mut lines = head.headers.get_all("host");
    match (lines.next(), lines.next()) {
        (_, Some(_)) => Err(Refusal::HostRepeated),
        (Some(host), None) if is_host(host) => Ok(Some(host)),
        (Some(_), None) => Err(Refusal::Host),
        (None, None) if head.version == Version::Http10 => Ok(None),
        (None, None) => Err(Refusal::HostMissing),
    }
}

/// `http://host/path?query` (RFC 9112 §3.2.2). An empty path becomes `/`, or `*` with OPTIONS (§3.2.4).
fn absolute<'h>(method: &[u8], target: &'h [u8]) -> Result<Target<'h>, Refusal> {
    let scheme_end = memchr::memmem::find(target, b"://").ok_or(Refusal::Target)?;
    let (scheme, rest) = (&target[..scheme_end], &target[scheme_end + 3..]);
    if !scheme.eq_ignore_ascii_case(b"http") && !scheme.eq_ignore_ascii_case(b"https") {
        return Err(Refusal::Target);
    }
    let authority_end = rest.iter().position(|byte| matches!(byte, b'/' | b'?' | b'#')).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at(authority_end);
    if !is_host(authority) {
        return Err(Refusal::Host);
    }
    let (path, query) = split_query(rest)?;
    let path = match (path, query) {
        ([], None) if method == b"OPTIONS" => b"*",
        ([], _) => b"/",
        (path, _) => path,
    };
    Ok(Target { form: Form::Absolute, path, query, host: Some(authority) })
}

/// Splits at the first `?`. A target must not have a fragment (RFC 9112 §3.2): parties would disagree on the path.
fn split_query(target: &[u8]) -> Result<(&[u8], Option<&[u8]>), Refusal> {
    if memchr::memchr(b'#', target).is_some() {
        return Err(Refusal::Target);
    }
    Ok(match memchr::memchr(b'?', target) {
        Some(mark) => (&target[..mark], Some(&target[mark + 1..])),
        None => (target, None),
    })
}

/// Whether `name` consists of unreserved characters, sub-delimiters and escapes. RFC 9110 §4.2.1 forbids an empty one.
fn is_registered_name(name: &[u8]) -> bool {
    let escaped = |at: usize| name.get(at + 1..at + 3).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit));
    !name.is_empty()
        && name.iter().enumerate().all(|(at, &byte)| match byte {
            b'-' | b'.' | b'_' | b'~' | b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=' => {
                true
            }
            b'%' => escaped(at),
            _ => byte.is_ascii_alphanumeric(),
        })
}

/// Whether `address` is one of a version to come, without its brackets (RFC 3986 §3.2.2, `IPvFuture`).
fn is_future_address(address: &[u8]) -> bool {
    let Some((version, text)) = address.strip_prefix(b"v").and_then(|rest| {
        let dot = memchr::memchr(b'.', rest)?;
        Some((&rest[..dot], &rest[dot + 1..]))
    }) else {
        return false;
    };
    let is_hexadecimal = !version.is_empty() && version.iter().all(u8::is_ascii_hexdigit);
    let is_name = |part: &[u8]| part.is_empty() || (!part.contains(&b'%') && is_registered_name(part));
    is_hexadecimal && !text.is_empty() && text.split(|&byte| byte == b':').all(is_name)
}

/// Whether `address` is an IPv6 address.
fn is_ipv6(address: &[u8]) -> bool {
    std::str::from_utf8(address).is_ok_and(|text| text.parse::<std::net::Ipv6Addr>().is_ok())
}
