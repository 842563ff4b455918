//! What a request is addressed to: the forms of a target, and the host (RFC 9112 §3.2).

use std::borrow::Cow;

use crate::head::{RequestHead, Version};
use crate::refusal::Refusal;

/// A request target, taken apart. All bytes stand as they were sent; nothing is decoded or normalised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target<'h> {
    /// Which form the target has.
    pub form: Form,
    /// The path; `*` for the server as a whole.
    pub path: &'h [u8],
    /// What follows the first `?`.
    pub query: Option<&'h [u8]>,
    /// The host the request is for, `host[:port]`: the target's own if it has one, which overrides the Host field
    /// (RFC 9112 §3.2.2), else the Host field's. None only in HTTP/1.0.
    pub host: Option<&'h [u8]>,
}

/// The forms of a request target. There is no authority form, since CONNECT is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `/path?query`
    Origin,
    /// `http://host/path?query`
    Absolute,
    /// `*`, with OPTIONS only
    Asterisk,
}

impl Target<'_> {
    /// The target in origin form, as it is sent to an origin server (RFC 9112 §3.2.1); `*` stays itself.
    #[must_use]
    pub fn origin_form<'t>(&self, head: &'t RequestHead) -> Cow<'t, [u8]> {
        match (self.form, self.query) {
            (Form::Origin | Form::Asterisk, _) => Cow::Borrowed(head.target()),
            (Form::Absolute, None) => Cow::Owned(self.path.to_vec()),
            (Form::Absolute, Some(query)) => Cow::Owned([self.path, b"?", query].concat()),
        }
    }
}

/// Judges the target and the Host field together.
pub fn judge(head: &RequestHead) -> Result<Target<'_>, Refusal> {
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

/// Whether `text` is `host[:port]`: a name, an IPv4 address, or an IPv6 address in brackets, and digits for the port,
/// if any (RFC 9110 §7.2, RFC 3986 §3.2). User information, as in `user@host`, is none of it.
#[must_use]
pub fn is_host(text: &[u8]) -> bool {
    let host_end = match text {
        [b'[', ..] => memchr::memchr(b']', text).map_or(text.len(), |bracket| bracket + 1),
        _ => memchr::memchr(b':', text).unwrap_or(text.len()),
    };
    let (host, port) = text.split_at(host_end);
    let host_is_sound = match host {
        [b'[', address @ .., b']'] => is_ipv6(address),
        name => is_registered_name(name),
    };
    let port_is_sound = match port {
        [] => true,
        [b':', digits @ ..] => digits.len() <= 5 && digits.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    host_is_sound && port_is_sound
}

/// The one Host field, valid; HTTP/1.0 may do without (RFC 9112 §3.2).
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

/// `http://host/path?query` (RFC 9112 §3.2.2). Without a path it is `/`, or `*` with OPTIONS (§3.2.4).
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

/// Splits at the first `?`. A fragment is never sent (RFC 9112 §3.2); where one is, parties disagree on the path.
fn split_query(target: &[u8]) -> Result<(&[u8], Option<&[u8]>), Refusal> {
    if memchr::memchr(b'#', target).is_some() {
        return Err(Refusal::Target);
    }
    Ok(match memchr::memchr(b'?', target) {
        Some(mark) => (&target[..mark], Some(&target[mark + 1..])),
        None => (target, None),
    })
}

/// Unreserved characters, sub-delimiters and escapes; not empty, which RFC 9110 §4.2.1 forbids for http.
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

/// An IPv6 address. The grammar also knows a future version of addresses, which nobody has ever made one of.
fn is_ipv6(address: &[u8]) -> bool {
    std::str::from_utf8(address).is_ok_and(|text| text.parse::<std::net::Ipv6Addr>().is_ok())
}
