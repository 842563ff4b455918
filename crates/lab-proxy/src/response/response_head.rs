//! The head a client gets, of an upstream's answer or of the proxy's own.
//!
//! Pure: an answer and its settings in, bytes out. The order is nginx's start (status, Server, Date), the upstream's
//! fields as they came, and what concerns the connection at the end.

use std::time::Duration;

use lab_http::connection::is_nominated;
use lab_http::framing::is_bodyless;
use lab_http::write::{content_length, decimal, end, field, status_line};
use lab_http::{BodyLength, ResponseHead, Version, date};

use crate::config::location::add_header::AddedFields;
use crate::config::proxy::pass::ProxyPass;
use crate::eval::Scope;
use crate::routing::route::Route;
use crate::routing::uri;
use crate::upstream::request_head::disarm;

/// What the client is told about its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Persistence {
    /// Whether it stays open.
    pub keep_alive: bool,
    /// `Keep-Alive: timeout=`, if that is announced.
    pub announced: Option<Duration>,
}

/// The product's name as `Server` and error pages have it.
#[must_use]
pub fn product(tokens: bool) -> &'static str {
    if tokens { concat!("lab/", env!("CARGO_PKG_VERSION")) } else { "lab" }
}

/// Appends the head of an upstream's answer, its final empty line included. `body` is how the body will be delimited
/// for the client.
pub fn write(
    head: &ResponseHead,
    pass: &ProxyPass,
    scope: &Scope<'_>,
    tokens: bool,
    body: BodyLength,
    persistence: Persistence,
    out: &mut Vec<u8>,
) {
    let status = scope.route.status.unwrap_or(head.status);
    let own_reason = scope.route.status.map(|status| reason(status).as_bytes());
    status_line(out, Version::Http11, status, own_reason.unwrap_or(head.reason()));
    // as nginx: where the upstream's is passed on, one that has none stays without
    if pass.hidden.contains(b"server") {
        field(out, b"Server", product(tokens).as_bytes());
    }
    if !head.headers.contains("date") || pass.hidden.contains(b"date") {
        field(out, b"Date", &date::now());
    }
    let added = &scope.route.location.config.added;
    if !scope.route.preserved.is_empty() {
        write_kept(scope.route, !head.headers.contains("content-type"), out);
    }
    write_fields(head, pass, scope, added, out);
    write_added(added, status, scope, out);
    if body == BodyLength::Chunked {
        field(out, b"Transfer-Encoding", b"chunked");
    }
    write_persistence(persistence, out);
    end(out);
}

/// Appends an interim answer (RFC 9110 §15.2), its final empty line included.
pub fn write_interim(head: &ResponseHead, pass: &ProxyPass, scope: &Scope<'_>, out: &mut Vec<u8>) {
    status_line(out, Version::Http11, head.status, head.reason());
    write_fields(head, pass, scope, &AddedFields::default(), out);
    end(out);
}

/// Appends a 101 that was asked for: the one answer whose Upgrade concerns the client (RFC 9110 §7.8).
pub fn write_switching(head: &ResponseHead, pass: &ProxyPass, scope: &Scope<'_>, tokens: bool, out: &mut Vec<u8>) {
    status_line(out, Version::Http11, head.status, head.reason());
    field(out, b"Server", product(tokens).as_bytes());
    if !head.headers.contains("date") {
        field(out, b"Date", &date::now());
    }
    field(out, b"Connection", b"upgrade");
    for protocol in head.headers.get_all("upgrade") {
        field(out, b"Upgrade", protocol);
    }
    write_fields(head, pass, scope, &AddedFields::default(), out);
    end(out);
}

/// What an answer of the proxy's own says of itself.
#[derive(Debug, Clone, Copy, Default)]
pub struct OwnHead<'a> {
    /// The status.
    pub status: u16,
    /// The media type; empty for none.
    pub media_type: &'a [u8],
    /// The length of the content; none for answers that have no content.
    pub length: Option<u64>,
    /// `Last-Modified`
    pub modified: Option<&'a str>,
    /// `ETag`
    pub tag: Option<&'a [u8]>,
    /// Where the client is sent.
    pub redirect: Option<&'a [u8]>,
}

/// Appends the head of an answer of the proxy's own, in nginx's order.
pub fn write_own(head: OwnHead<'_>, scope: &Scope<'_>, persistence: Persistence, out: &mut Vec<u8>) {
    let rules = &scope.route.location.config;
    let is_replaced = |name: &str| rules.added.replaced.contains(name.as_bytes());
    status_line(out, Version::Http11, head.status, reason(head.status).as_bytes());
    field(out, b"Server", product(rules.server_tokens).as_bytes());
    field(out, b"Date", &date::now());
    if !head.media_type.is_empty() {
        field(out, b"Content-Type", head.media_type);
    }
    if let Some(length) = head.length {
        content_length(out, length);
    }
    if let Some(modified) = head.modified.filter(|_| !is_replaced("Last-Modified")) {
        field(out, b"Last-Modified", modified.as_bytes());
    }
    if let Some(target) = head.redirect {
        out.extend_from_slice(b"Location: ");
        if rules.absolute_redirect && target.starts_with(b"/") {
            write_origin(scope, out);
        }
        write_redirect_target(target, out);
        out.extend_from_slice(b"\r\n");
    }
    write_persistence(persistence, out);
    write_kept(scope.route, false, out);
    if let Some(tag) = head.tag.filter(|_| !is_replaced("ETag")) {
        field(out, b"ETag", tag);
    }
    write_added(&rules.added, head.status, scope, out);
    end(out);
}

/// The fields of an answer that was not sent. Its Content-Type counts where there is no other.
fn write_kept(route: &Route<'_>, with_type: bool, out: &mut Vec<u8>) {
    for (name, value) in route.preserved.iter() {
        if with_type || !name.eq_ignore_ascii_case(b"content-type") {
            field(out, name, value);
        }
    }
}

/// The lines of `add_header`.
fn write_added(added: &AddedFields, status: u16, scope: &Scope<'_>, out: &mut Vec<u8>) {
    for line in added.for_status(status) {
        let start = out.len();
        out.extend_from_slice(line.name.as_bytes());
        out.extend_from_slice(b": ");
        let value = out.len();
        line.value.write(scope, out);
        if out.len() == value {
            out.truncate(start);
            continue;
        }
        disarm(&mut out[value..]);
        out.extend_from_slice(b"\r\n");
    }
}

/// A redirect's target, with everything escaped that could end its line: a variable may hold anything a client escaped.
fn write_redirect_target(target: &[u8], out: &mut Vec<u8>) {
    for &byte in target {
        if byte < 0x20 || byte == 0x7f {
            out.extend_from_slice(&[b'%', uri::hex_digit(byte >> 4), uri::hex_digit(byte)]);
        } else {
            out.push(byte);
        }
    }
}

/// The fields of an upstream that a client gets, `Location` and `Refresh` in the client's terms.
fn write_fields(head: &ResponseHead, pass: &ProxyPass, scope: &Scope<'_>, added: &AddedFields, out: &mut Vec<u8>) {
    let nominates = head
        .headers
        .list("connection")
        .any(|option| !option.eq_ignore_ascii_case(b"close") && !option.eq_ignore_ascii_case(b"keep-alive"));
    let status = scope.route.status.unwrap_or(head.status);
    let has_no_length = matches!(status, 100..=199 | 204) || (is_bodyless(status) && !is_bodyless(head.status));
    for (name, value) in head.headers.iter() {
        let is_length = name.eq_ignore_ascii_case(b"content-length");
        let is_dropped = (is_length && has_no_length)
            || pass.hidden.contains(name)
            || added.replaced.contains(name)
            || (nominates && !is_length && is_nominated(&head.headers, name));
        if is_dropped {
            continue;
        }
        if name.eq_ignore_ascii_case(b"location") && write_redirect(pass, scope, name, b"", value, out) {
            continue;
        }
        if name.eq_ignore_ascii_case(b"refresh") {
            let url = value.to_ascii_lowercase().windows(4).position(|window| window == b"url=");
            let (before, url) = value.split_at(url.map_or(value.len(), |start| start + 4));
            if write_redirect(pass, scope, name, before, url, out) {
                continue;
            }
        }
        if !pass.cookies.is_empty() && name.eq_ignore_ascii_case(b"set-cookie") {
            field(out, name, &pass.cookies.rewrite(scope, value));
            continue;
        }
        field(out, name, value);
    }
}

/// Writes the line with its URL as the first `proxy_redirect` that applies has it; false if none does.
///
/// As nginx: a path that comes out of it is given the origin the client knows, unless `absolute_redirect` is off.
fn write_redirect(
    pass: &ProxyPass,
    scope: &Scope<'_>,
    name: &[u8],
    before: &[u8],
    url: &[u8],
    out: &mut Vec<u8>,
) -> bool {
    let mut rewritten = Vec::new();
    if !pass.redirects.iter().any(|redirect| redirect.rewrite(scope, url, &mut rewritten)) {
        return false;
    }
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(before);
    let is_location = name.eq_ignore_ascii_case(b"location");
    if is_location && rewritten.first() == Some(&b'/') && scope.route.location.config.absolute_redirect {
        write_origin(scope, out);
    }
    write_redirect_target(&rewritten, out);
    out.extend_from_slice(b"\r\n");
    true
}

/// `http://host[:port]`, as nginx makes redirects absolute: `$host` or, with `server_name_in_redirect`, the server's
/// name; our own address for a client that named no host. The port is the one the client connected to, unless it is the
/// scheme's own or `port_in_redirect` is off.
fn write_origin(scope: &Scope<'_>, out: &mut Vec<u8>) {
    let rules = &scope.route.location.config;
    out.extend_from_slice(b"http://");
    let local = scope.connection.local.internet();
    match scope.request.and_then(|request| request.host.as_deref()) {
        _ if rules.server_name_in_redirect => out.extend_from_slice(scope.server.first_name.as_bytes()),
        Some(host) => out.extend_from_slice(host),
        None => match local {
            Some(local) if local.is_ipv6() => out.extend_from_slice(format!("[{}]", local.ip()).as_bytes()),
            Some(local) => out.extend_from_slice(local.ip().to_string().as_bytes()),
            None => out.extend_from_slice(scope.connection.local.to_string().as_bytes()),
        },
    }
    let port = local.map_or(80, |local| local.port());
    if rules.port_in_redirect && port != 80 {
        out.push(b':');
        decimal(out, u64::from(port));
    }
}

fn write_persistence(persistence: Persistence, out: &mut Vec<u8>) {
    field(out, b"Connection", if persistence.keep_alive { b"keep-alive" } else { b"close" });
    if let Some(announced) = persistence.announced.filter(|_| persistence.keep_alive) {
        out.extend_from_slice(b"Keep-Alive: timeout=");
        decimal(out, announced.as_secs());
        out.extend_from_slice(b"\r\n");
    }
}

/// The reason phrases of the statuses the proxy gives itself, as nginx words them.
#[must_use]
pub fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        206 => "Partial Content",
        301 => "Moved Permanently",
        302 => "Moved Temporarily",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Not Allowed",
        406 => "Not Acceptable",
        408 => "Request Time-out",
        409 => "Conflict",
        410 => "Gone",
        411 => "Length Required",
        412 => "Precondition Failed",
        413 => "Request Entity Too Large",
        414 => "Request-URI Too Large",
        415 => "Unsupported Media Type",
        416 => "Requested Range Not Satisfiable",
        421 => "Misdirected Request",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Temporarily Unavailable",
        504 => "Gateway Time-out",
        505 => "HTTP Version Not Supported",
        507 => "Insufficient Storage",
        _ => "",
    }
}
