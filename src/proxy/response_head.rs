//! The head a client gets, of an upstream's answer or of the proxy's own.
//!
//! Pure: an answer and its settings in, bytes out. The order is nginx's start (status, Server, Date), the upstream's
//! fields as they came, and what concerns the connection at the end.

use std::time::Duration;

use lab_http::connection::is_nominated;
use lab_http::write::{content_length, decimal, end, field, status_line};
use lab_http::{BodyLength, ResponseHead, Version, date};

use super::settings::pass::Pass;
use super::variables::Scope;

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
    pass: &Pass,
    scope: &Scope<'_>,
    tokens: bool,
    body: BodyLength,
    persistence: Persistence,
    out: &mut Vec<u8>,
) {
    status_line(out, Version::Http11, head.status, head.reason());
    // as nginx: where the upstream's is passed on, one that has none stays without
    if pass.hidden.contains(b"server") {
        field(out, b"Server", product(tokens).as_bytes());
    }
    if !head.headers.contains("date") || pass.hidden.contains(b"date") {
        field(out, b"Date", &date::now());
    }
    write_fields(head, pass, scope, out);
    if body == BodyLength::Chunked {
        field(out, b"Transfer-Encoding", b"chunked");
    }
    write_persistence(persistence, out);
    end(out);
}

/// Appends an interim answer (RFC 9110 §15.2), its final empty line included.
pub fn write_interim(head: &ResponseHead, pass: &Pass, scope: &Scope<'_>, out: &mut Vec<u8>) {
    status_line(out, Version::Http11, head.status, head.reason());
    write_fields(head, pass, scope, out);
    end(out);
}

/// Appends a 101 that was asked for: the one answer whose Upgrade concerns the client (RFC 9110 §7.8).
pub fn write_switching(head: &ResponseHead, pass: &Pass, scope: &Scope<'_>, tokens: bool, out: &mut Vec<u8>) {
    status_line(out, Version::Http11, head.status, head.reason());
    field(out, b"Server", product(tokens).as_bytes());
    if !head.headers.contains("date") {
        field(out, b"Date", &date::now());
    }
    field(out, b"Connection", b"upgrade");
    for protocol in head.headers.get_all("upgrade") {
        field(out, b"Upgrade", protocol);
    }
    write_fields(head, pass, scope, out);
    end(out);
}

/// Appends the head of an answer of the proxy's own. `fields` are further lines, each with its end.
pub fn write_own(status: u16, tokens: bool, fields: &[u8], length: u64, persistence: Persistence, out: &mut Vec<u8>) {
    status_line(out, Version::Http11, status, reason(status).as_bytes());
    field(out, b"Server", product(tokens).as_bytes());
    field(out, b"Date", &date::now());
    out.extend_from_slice(fields);
    content_length(out, length);
    write_persistence(persistence, out);
    end(out);
}

/// The fields of an upstream that a client gets, `Location` and `Refresh` in the client's terms.
fn write_fields(head: &ResponseHead, pass: &Pass, scope: &Scope<'_>, out: &mut Vec<u8>) {
    let nominates = head
        .headers
        .list("connection")
        .any(|option| !option.eq_ignore_ascii_case(b"close") && !option.eq_ignore_ascii_case(b"keep-alive"));
    let has_no_length = matches!(head.status, 100..=199 | 204);
    for (name, value) in head.headers.iter() {
        let is_length = name.eq_ignore_ascii_case(b"content-length");
        let is_dropped = (is_length && has_no_length)
            || pass.hidden.contains(name)
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
        field(out, name, value);
    }
}

/// Writes the line with its URL as the first `proxy_redirect` that applies has it; false if none does.
///
/// As nginx (`absolute_redirect on`): a path that comes out of it is given the origin the client knows.
fn write_redirect(pass: &Pass, scope: &Scope<'_>, name: &[u8], before: &[u8], url: &[u8], out: &mut Vec<u8>) -> bool {
    let mut rewritten = Vec::new();
    if !pass.redirects.iter().any(|redirect| redirect.rewrite(scope, url, &mut rewritten)) {
        return false;
    }
    // a variable may hold anything a client escaped
    rewritten.retain(|byte| *byte >= 0x20 && *byte != 0x7f);
    let start = out.len();
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(before);
    if rewritten.first() == Some(&b'/') && out[start..].starts_with(b"L") | out[start..].starts_with(b"l") {
        write_origin(scope, out);
    }
    out.extend_from_slice(&rewritten);
    out.extend_from_slice(b"\r\n");
    true
}

/// `http://host[:port]`, as nginx makes redirects absolute: `$host`, and the port the client connected to unless it is
/// the scheme's own (`port_in_redirect on`).
pub fn write_origin(scope: &Scope<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"http://");
    let host = scope.request.and_then(|request| request.host.as_deref());
    out.extend_from_slice(host.unwrap_or(scope.server.first_name.as_bytes()));
    let port = scope.connection.local.port();
    if port != 80 {
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
        301 => "Moved Permanently",
        400 => "Bad Request",
        404 => "Not Found",
        405 => "Not Allowed",
        408 => "Request Time-out",
        411 => "Length Required",
        413 => "Request Entity Too Large",
        414 => "Request-URI Too Large",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Temporarily Unavailable",
        504 => "Gateway Time-out",
        505 => "HTTP Version Not Supported",
        _ => "",
    }
}
