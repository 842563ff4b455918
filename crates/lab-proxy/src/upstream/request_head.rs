//! The head an upstream gets: nginx's order, which is the lines of `proxy_set_header`, then the client's.
//!
//! Pure: a request and its settings in, bytes out.

use lab_http::write::{content_length, decimal, end, field};
use lab_http::{BodyLength, Version};

use crate::config::proxy::pass::ProxyPass;
use crate::context::replace_control_characters;
use crate::eval::Scope;
use crate::routing::request::Request;
use crate::routing::route::{Route, UriAlignment};
use crate::routing::uri;

/// Appends the whole head, its final empty line included. `body` is how the body will be delimited on this hop.
pub fn write(request: &Request<'_>, pass: &ProxyPass, scope: &Scope<'_>, body: BodyLength, out: &mut Vec<u8>) {
    out.extend_from_slice(scope.route.method);
    out.push(b' ');
    write_target(request, pass, scope.route, out);
    out.push(b' ');
    out.extend_from_slice(pass.version.text().as_bytes());
    out.extend_from_slice(b"\r\n");

    for (name, template) in &pass.fields.lines {
        let line = out.len();
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b": ");
        let value = out.len();
        template.write(scope, out);
        if out.len() == value {
            out.truncate(line);
            continue;
        }
        replace_control_characters(&mut out[value..]);
        out.extend_from_slice(b"\r\n");
    }
    match body {
        BodyLength::Sized(length) => content_length(out, length),
        BodyLength::Chunked => field(out, b"Transfer-Encoding", b"chunked"),
        // a request never lasts until its connection is closed
        BodyLength::None | BodyLength::UntilClose => {}
    }
    if request.expects_continue && pass.version == Version::Http11 {
        field(out, b"Expect", b"100-continue");
    }
    for (name, value) in request.head.headers.iter() {
        if !pass.fields.replaced.contains(name) {
            field(out, name, value);
        } else if name.eq_ignore_ascii_case(b"max-forwards") {
            forward_once_more(request, name, value, out);
        }
    }
    end(out);
}

/// Appends the target: as it came, or with the location's part replaced by the URI of `proxy_pass`, or as the
/// configuration has rewritten it.
///
/// As nginx: a path that is not sent as it came is escaped again only if the client escaped anything, or if the
/// configuration made it, and an absolute target loses its origin. `*` stays itself.
fn write_target(request: &Request<'_>, pass: &ProxyPass, route: &Route<'_>, out: &mut Vec<u8>) {
    let replacement = pass.uri.as_ref().filter(|_| request.target.path != b"*");
    match route.resolved_pass.as_ref().map(|proxied| proxied.uri.as_deref()) {
        Some(Some(uri)) => {
            write_safe(uri, out);
            return;
        }
        _ if replacement.is_none() && route.origin.is_client() => {
            out.extend_from_slice(&request.target.origin_form(request.head));
            return;
        }
        _ => {}
    }
    let matched = match replacement.filter(|_| route.alignment != UriAlignment::Detached) {
        Some(uri) => {
            out.extend_from_slice(uri.as_bytes());
            pass.matched
        }
        None => 0,
    };
    let rest = route.uri.get(matched..).unwrap_or_default();
    if route.origin.is_internal() || request.target.path.contains(&b'%') {
        uri::escape(rest, out);
    } else {
        out.extend_from_slice(rest);
    }
    if route.has_args() {
        out.push(b'?');
        write_safe(route.args(), out);
    }
}

/// Appends a part of a target that variables may have made, with everything escaped that would end the target or the
/// request line. nginx passes such bytes on.
fn write_safe(text: &[u8], out: &mut Vec<u8>) {
    for &byte in text {
        if byte <= 0x20 || byte == 0x7f {
            out.extend_from_slice(&[b'%', uri::hex_digit(byte >> 4), uri::hex_digit(byte)]);
        } else {
            out.push(byte);
        }
    }
}

/// Counts Max-Forwards down where it counts (RFC 9110 §7.6.2: TRACE and OPTIONS); elsewhere it is a field like any
/// other. At 0 a request is not forwarded at all: [`may_not_be_forwarded`].
fn forward_once_more(request: &Request<'_>, name: &[u8], value: &[u8], out: &mut Vec<u8>) {
    match max_forwards(request) {
        Some(hops) => {
            out.extend_from_slice(name);
            out.extend_from_slice(b": ");
            decimal(out, hops.saturating_sub(1));
            out.extend_from_slice(b"\r\n");
        }
        None => field(out, name, value),
    }
}

/// Whether this is the last recipient the client asks: OPTIONS with `Max-Forwards: 0`.
#[must_use]
pub fn may_not_be_forwarded(request: &Request<'_>) -> bool {
    max_forwards(request) == Some(0)
}

fn max_forwards(request: &Request<'_>) -> Option<u64> {
    if request.head.method() != b"OPTIONS" {
        return None;
    }
    let value = request.head.headers.get("max-forwards")?;
    lab_nginx_conf::parse_number(std::str::from_utf8(value).ok().filter(|value| !value.is_empty())?)
}
