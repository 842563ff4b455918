//! Heads of HTTP/2 in the types of the `http` crate, and in those of this crate.

use bytes::Bytes;
use http::header::{COOKIE, HOST, HeaderName, HeaderValue};
use http::request::Parts;
use http::{HeaderMap, Response, StatusCode};

use crate::message::headers::{Field, Headers};
use crate::message::{Refusal, RequestHead, Version};

/// Fields about a connection, which HTTP/2 does not have (RFC 9113 §8.2.2).
const CONNECTION_FIELDS: [&[u8]; 5] =
    [b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"];
/// The values of a longer text are copied one by one, since a value in a table of HPACK keeps the whole text.
const SHARED_TEXT: usize = 1024;

/// The head of a request as HTTP/1.1 would have it: `:authority` becomes Host (RFC 9113 §8.3.1), and the lines of Cookie
/// become one (§8.2.3). A Host that differs from the authority stays beside it, for the caller to refuse.
///
/// # Errors
/// The request line or a field is longer than `longest_line`, or the method is none.
pub fn request_head(parts: &Parts, longest_line: usize) -> Result<RequestHead, Refusal> {
    let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
    if target.len() > longest_line {
        return Err(Refusal::StartLineTooLong);
    }
    // as in HTTP/1.1
    if parts.method.as_str().bytes().any(|byte| byte.is_ascii_lowercase()) {
        return Err(Refusal::Method);
    }
    let authority = parts.uri.authority().map(|authority| authority.as_str().as_bytes());
    let room = size(&parts.headers) + HOST.as_str().len() + authority.map_or(0, <[u8]>::len);
    let mut head = RequestHead::with_room(parts.method.as_str(), target, Version::Http2, parts.headers.len() + 1, room);
    if let Some(authority) = authority {
        head.headers.push(HOST, authority);
    }
    let mut cookies = 0;
    for (name, value) in &parts.headers {
        if name.as_str().len() + value.len() > longest_line {
            return Err(Refusal::FieldTooLong);
        }
        if name == COOKIE {
            cookies += 1;
        } else if name != HOST || authority != Some(value.as_bytes()) {
            head.headers.push(name, value);
        }
    }
    if cookies > 0 {
        let cookies: Vec<&[u8]> = parts.headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
        head.headers.push(COOKIE, cookies.join(&b"; "[..]));
    }
    Ok(head)
}

/// The request line that an access log has for a stream.
#[must_use]
pub fn request_line(parts: &Parts) -> Vec<u8> {
    let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
    format!("{} {target} {}", parts.method, Version::Http2.text()).into_bytes()
}

/// The head of a response with these lines: first `own`, then `lines`. What only HTTP/1.1 has is left out.
pub fn response_head(
    status: u16,
    own: impl IntoIterator<Item = (HeaderName, HeaderValue)>,
    lines: &Headers,
) -> Response<()> {
    let mut response = Response::new(());
    // OK because a status has three digits
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let fields = response.headers_mut();
    let own = own.into_iter();
    // only a head with tens of thousands of lines does not fit, here and below
    _ = fields.try_reserve(lines.len() + own.size_hint().0);
    for (name, value) in own {
        _ = fields.try_append(name, value);
    }
    append_all(fields, lines);
    response
}

/// The trailers of a message.
#[must_use]
pub fn trailers(lines: &Headers) -> HeaderMap {
    let mut fields = HeaderMap::new();
    append_all(&mut fields, lines);
    fields
}

/// The size of a head in bytes, without compression.
#[must_use]
pub fn size(fields: &HeaderMap) -> usize {
    fields.iter().map(|(name, value)| name.as_str().len() + value.len()).sum()
}

/// Appends lines. Those that HTTP/2 cannot have are left out.
fn append_all(fields: &mut HeaderMap, lines: &Headers) {
    // one allocation for all values
    let text = (lines.text.len() <= SHARED_TEXT).then(|| Bytes::copy_from_slice(&lines.text));
    for Field { name, value } in &lines.fields {
        let name = name.slice(&lines.text);
        if is_about_connection(name) {
            continue;
        }
        let value = match &text {
            Some(text) => HeaderValue::from_maybe_shared(text.slice(value.range())),
            None => HeaderValue::from_bytes(value.slice(&lines.text)),
        };
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), value) {
            _ = fields.try_append(name, value);
        }
    }
}

fn is_about_connection(name: &[u8]) -> bool {
    CONNECTION_FIELDS.iter().any(|own| name.len() == own.len() && name.eq_ignore_ascii_case(own))
}

#[cfg(test)]
mod tests;
