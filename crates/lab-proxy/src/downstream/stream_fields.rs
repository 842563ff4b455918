//! Heads of HTTP/2 in the types of the `h2` crate, and in those of the proxy.

#[cfg(test)]
mod tests;

use http::header::{COOKIE, HOST, HeaderName, HeaderValue};
use http::request::Parts;
use http::{HeaderMap, Response, StatusCode};
use lab_http::message::date;
use lab_http::{Headers, Refusal, RequestHead, Version};

use crate::clock;
use crate::config::request_head::RequestHeadConfig;
use crate::response::Head;

/// Fields about a connection, which HTTP/2 does not have (RFC 9113 §8.2.2).
const CONNECTION_FIELDS: [&[u8]; 5] =
    [b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"];

/// The head of a request as HTTP/1.1 would have it: `:authority` becomes Host (RFC 9113 §8.3.1), and the lines of Cookie
/// become one (§8.2.3). A Host that differs from the authority stays beside it, for the caller to refuse.
///
/// # Errors
/// A line is longer than `large_client_header_buffers` allows, or the method is none.
pub(crate) fn request_head(parts: &Parts, rules: &RequestHeadConfig) -> Result<RequestHead, Refusal> {
    let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
    if target.len() > rules.line {
        return Err(Refusal::StartLineTooLong);
    }
    // as in HTTP/1.1
    if parts.method.as_str().bytes().any(|byte| byte.is_ascii_lowercase()) {
        return Err(Refusal::Method);
    }
    let mut head = RequestHead::new(parts.method.as_str(), target, Version::Http2);
    let authority = parts.uri.authority().map(|authority| authority.as_str().as_bytes());
    if let Some(authority) = authority {
        head.headers.push("host", authority);
    }
    for (name, value) in &parts.headers {
        if name.as_str().len() + value.len() > rules.line {
            return Err(Refusal::FieldTooLong);
        }
        let is_authority = name == HOST && authority == Some(value.as_bytes());
        if name != COOKIE && !is_authority {
            head.headers.push(name.as_str(), value.as_bytes());
        }
    }
    let cookies: Vec<&[u8]> = parts.headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if !cookies.is_empty() {
        head.headers.push("cookie", cookies.join(&b"; "[..]));
    }
    Ok(head)
}

/// The request line that the access log has for a stream.
pub(crate) fn request_line(parts: &Parts) -> Vec<u8> {
    let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
    format!("{} {target} {}", parts.method, Version::Http2.text()).into_bytes()
}

/// The head of a response. What only HTTP/1.1 has is left out.
pub(crate) fn response_head(head: &Head) -> Response<()> {
    let mut response = Response::new(());
    // OK because a status has three digits
    *response.status_mut() = StatusCode::from_u16(head.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let fields = response.headers_mut();
    if let Some(server) = head.server {
        append(fields, b"server", server.as_bytes());
    }
    if head.has_own_date {
        append(fields, b"date", &date::at(clock::wall()));
    }
    append_all(fields, head.fields());
    response
}

/// The trailers of a response.
pub(crate) fn trailers(lines: &Headers) -> HeaderMap {
    let mut fields = HeaderMap::new();
    append_all(&mut fields, lines);
    fields
}

fn append_all(fields: &mut HeaderMap, lines: &Headers) {
    for (name, value) in lines.iter() {
        if !CONNECTION_FIELDS.iter().any(|own| name.eq_ignore_ascii_case(own)) {
            append(fields, name, value);
        }
    }
}

/// Appends a line. One that HTTP/2 cannot have is left out.
fn append(fields: &mut HeaderMap, name: &[u8], value: &[u8]) {
    if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) {
        // only a head with tens of thousands of lines does not fit
        _ = fields.try_append(name, value);
    }
}

/// The size of a head in bytes, without compression.
pub(crate) fn size(fields: &HeaderMap) -> usize {
    fields.iter().map(|(name, value)| name.as_str().len() + value.len()).sum()
}
