//! Writes the head of a request to an upstream, in nginx's order: the lines of `proxy_set_header`, then the client's.

use lab_http::h1::write::{content_length, decimal, end, field};
use lab_http::{BodyLength, Version};

use crate::config::proxy::pass::ProxyPass;
use crate::context::replace_control_characters;
use crate::eval::Scope;
use crate::routing::request::Request;
use crate::routing::route::{Route, UriAlignment};
use crate::routing::uri;

/// Appends the head with its final empty line. `body` is how the body is framed on this hop.
pub fn write(request: &Request<'_>, pass: &ProxyPass, scope: &Scope<'_>, body: BodyLength, out: &mut Vec<u8>) {
    match &pass.request.method {
        Some(method) => write_safe(&method.value(scope), out),
        None if scope.outcome.converts_head() => out.extend_from_slice(b"GET"),
        None => out.extend_from_slice(scope.route.method),
    }
    out.push(b' ');
    write_target(request, pass, scope.route, out);
    out.push(b' ');
    out.extend_from_slice(pass.version.text().as_bytes());
    out.extend_from_slice(b"\r\n");

    for (index, (name, template)) in pass.fields.lines.iter().enumerate() {
        if index == pass.fields.before_framing {
            write_framing(body, out);
        }
        let line = out.len();
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b": ");
        let value = out.len();
        template.write(scope, out);
        // an HTTP/1.1 request without a host has an empty Host field (RFC 9112 §3.2)
        let is_required = || pass.version == Version::Http11 && name.eq_ignore_ascii_case("host");
        if out.len() == value && !is_required() {
            out.truncate(line);
            continue;
        }
        replace_control_characters(&mut out[value..]);
        out.extend_from_slice(b"\r\n");
    }
    if pass.fields.before_framing >= pass.fields.lines.len() {
        write_framing(body, out);
    }
    // a collected body is sent at once
    let is_streamed = !scope.route.location.config.buffering.requests;
    if is_streamed && request.expects_continue && pass.version == Version::Http11 {
        field(out, b"Expect", b"100-continue");
    }
    write_validators(pass, scope, out);
    if pass.request.passes_fields {
        write_client_fields(request, pass, scope.outcome.is_storable(), out);
    }
    end(out);
}

/// Fields of a request that may be answered with a part of a response or without one. A response that is to be stored must
/// be whole.
const CONDITIONS: [&[u8]; 6] =
    [b"if-match", b"if-modified-since", b"if-none-match", b"if-range", b"if-unmodified-since", b"range"];

/// Whether a field of the client does not go out with a request whose response may be stored.
pub(crate) fn is_condition(name: &[u8]) -> bool {
    CONDITIONS.iter().any(|own| name.eq_ignore_ascii_case(own))
}

/// The conditions by which a stored response is validated, with nginx's order and names of fields.
pub(crate) fn validators<'s>(scope: &Scope<'s>) -> impl Iterator<Item = (&'static str, &'s [u8])> {
    let cache = scope.outcome.cache.as_deref();
    let fields = cache.map(|cache| [("If-Modified-Since", &*cache.modified), ("If-None-Match", &*cache.tag)]);
    fields.into_iter().flatten().filter(|(_, value)| !value.is_empty())
}

fn write_validators(pass: &ProxyPass, scope: &Scope<'_>, out: &mut Vec<u8>) {
    for (name, value) in validators(scope) {
        // a field of the configuration replaces it
        if !pass.fields.lines.iter().any(|(own, _)| own.eq_ignore_ascii_case(name)) {
            field(out, name.as_bytes(), value);
        }
    }
}

fn write_framing(body: BodyLength, out: &mut Vec<u8>) {
    match body {
        BodyLength::Sized(length) => content_length(out, length),
        BodyLength::Chunked => field(out, b"Transfer-Encoding", b"chunked"),
        // a request body never ends with its connection
        BodyLength::None | BodyLength::UntilClose => {}
    }
}

/// Appends the client's fields that the proxy does not replace.
fn write_client_fields(request: &Request<'_>, pass: &ProxyPass, is_storable: bool, out: &mut Vec<u8>) {
    for (name, value) in request.head.headers.iter() {
        if is_storable && is_condition(name) {
            continue;
        }
        if !pass.fields.replaced.contains(name) {
            field(out, name, value);
        } else if name.eq_ignore_ascii_case(b"max-forwards") {
            write_max_forwards(request, name, value, out);
        }
    }
}

/// Appends the target: unchanged, or with the location's part replaced by the URI of `proxy_pass`, or as the
/// configuration rewrote it.
///
/// As in nginx: a changed path is escaped again only if the client escaped anything or the configuration wrote it, and
/// an absolute target loses its origin. `*` does not change.
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

/// Appends a part of a target that may come from variables. Escapes the bytes that would end the target or the request
/// line, which nginx passes on.
fn write_safe(text: &[u8], out: &mut Vec<u8>) {
    for &byte in text {
        if byte <= 0x20 || byte == 0x7f {
            out.extend_from_slice(&[b'%', uri::hex_digit(byte >> 4), uri::hex_digit(byte)]);
        } else {
            out.push(byte);
        }
    }
}

/// Decrements Max-Forwards where it applies (RFC 9110 §7.6.2: TRACE and OPTIONS). Elsewhere it is an ordinary field. A
/// request with 0 is not forwarded: [`is_final_recipient`].
fn write_max_forwards(request: &Request<'_>, name: &[u8], value: &[u8], out: &mut Vec<u8>) {
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

/// Whether the proxy must respond itself: OPTIONS with `Max-Forwards: 0`.
#[must_use]
pub fn is_final_recipient(request: &Request<'_>) -> bool {
    max_forwards(request) == Some(0)
}

fn max_forwards(request: &Request<'_>) -> Option<u64> {
    if request.head.method() != b"OPTIONS" {
        return None;
    }
    let value = request.head.headers.get("max-forwards")?;
    lab_nginx_conf::parse_number(std::str::from_utf8(value).ok().filter(|value| !value.is_empty())?)
}
