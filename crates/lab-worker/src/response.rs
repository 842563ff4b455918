//! The framing and the head of a response, and the responses lab sends for itself. Pure.

use http::header::{CONTENT_LENGTH, DATE, SERVER};
use http::{HeaderMap, HeaderName, StatusCode};
use http_body::SizeHint;
use lab_http::h1::connection::is_hop_by_hop;
use lab_http::h1::write;
use lab_http::message::{date, is_bodyless};
use lab_http::{BodyLength, Refusal, Version};

use crate::proxy_protocol::HeaderError;

/// The properties of a request that decide how its response is framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestMeta {
    /// Whether the method is HEAD.
    pub is_head: bool,
    pub version: Version,
}

/// How a response delimits its body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Framing {
    /// How the body is written; [`BodyLength::None`] where the protocol forbids a body, even if the application gave one.
    pub body: BodyLength,
    /// The Content-Length to send: in a response to HEAD and in a 304 also without a body (RFC 9110 §8.6).
    content_length: Option<u64>,
}

/// A response that an application must not give.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidResponse {
    #[error("the app returned the interim status {0}")]
    Interim(u16),
    #[error("the app returned an invalid Content-Length")]
    ContentLength,
}

/// Chooses the framing (RFC 9112 §6.3): the application's Content-Length, or the size of a body that is complete, or
/// chunks; for HTTP/1.0 the end of the connection instead of chunks.
pub(crate) fn choose_framing(meta: RequestMeta, status: u16, given: Option<u64>, size: Option<u64>) -> Framing {
    let content_length = given.or(size);
    if meta.is_head {
        // Some applications omit the body of a response to HEAD; an empty one says nothing about the size for GET.
        let content_length = content_length.filter(|&size| given.is_some() || size > 0);
        return Framing { body: BodyLength::None, content_length: content_length.filter(|_| status != 204) };
    }
    if is_bodyless(status) {
        return Framing { body: BodyLength::None, content_length: given.filter(|_| status == 304) };
    }
    let body = match (content_length, meta.version) {
        (Some(size), _) => BodyLength::Sized(size),
        // On its way to the HTTP/2 frames, chunks show the end of a response.
        (None, Version::Http11 | Version::Http2) => BodyLength::Chunked,
        (None, Version::Http10) => BodyLength::UntilClose,
    };
    Framing { body, content_length }
}

/// Chooses the framing of a response in the types of `http`.
pub(crate) fn choose_http_framing(
    meta: RequestMeta,
    status: StatusCode,
    headers: &HeaderMap,
    size: &SizeHint,
) -> Result<Framing, InvalidResponse> {
    if status.is_informational() {
        return Err(InvalidResponse::Interim(status.as_u16()));
    }
    Ok(choose_framing(meta, status.as_u16(), app_content_length(headers)?, size.exact()))
}

/// Appends the head of a response. Hop-by-hop fields belong to the server, so the application's are dropped. Server and
/// Date are added where the application gave none.
pub(crate) fn write_head(
    out: &mut Vec<u8>,
    meta: RequestMeta,
    keep_alive: bool,
    status: StatusCode,
    headers: &HeaderMap,
    framing: Framing,
) {
    // A server sends its own version, not the client's (RFC 9110 §2.5).
    write::status_line(out, Version::Http11, status.as_u16(), status.canonical_reason().unwrap_or("").as_bytes());
    let (mut has_server, mut has_date) = (false, false);
    for (name, value) in headers {
        if name == CONTENT_LENGTH || is_hop_by_hop(name.as_str().as_bytes()) {
            continue;
        }
        has_server |= name == SERVER;
        has_date |= name == DATE;
        write_title_case_field(out, name, value.as_bytes());
    }
    let app_fields = AppFields { has_server, has_date };
    write_head_end(out, meta, keep_alive, framing, app_fields);
}

/// Which of the fields that a server adds by default the application has set itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct AppFields {
    pub(crate) has_server: bool,
    pub(crate) has_date: bool,
}

/// Appends the server's own fields and the end of a head.
pub(crate) fn write_head_end(
    out: &mut Vec<u8>,
    meta: RequestMeta,
    keep_alive: bool,
    framing: Framing,
    app_fields: AppFields,
) {
    if !app_fields.has_server {
        write::field(out, b"Server", b"lab");
    }
    if !app_fields.has_date {
        write::field(out, b"Date", &date::now());
    }
    if let Some(size) = framing.content_length {
        write::content_length(out, size);
    }
    if framing.body == BodyLength::Chunked {
        write::field(out, b"Transfer-Encoding", b"chunked");
    }
    match (keep_alive, meta.version) {
        (false, _) => write::field(out, b"Connection", b"close"),
        (true, Version::Http10) => write::field(out, b"Connection", b"keep-alive"),
        (true, Version::Http11 | Version::Http2) => {}
    }
    write::end(out);
}

/// The methods that an application may allow: those of RFC 9110 §9.3 and RFC 5789, without CONNECT.
const METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, TRACE";

/// Appends the response to a request that is not handed to the application. The connection closes after it.
pub(crate) fn write_refusal(out: &mut Vec<u8>, is_head: bool, refusal: Refusal) {
    let status = StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::BAD_REQUEST);
    // A 405 needs Allow (RFC 9110 §15.5.6). The server hands every other method to its application.
    let allow: &[(&str, &str)] = if status == StatusCode::METHOD_NOT_ALLOWED { &[("Allow", METHODS)] } else { &[] };
    write_error_page(out, is_head, status, &refusal.to_string(), allow);
}

/// Appends the response to a PROXY header that is not accepted.
pub(crate) fn write_proxy_header_error(out: &mut Vec<u8>, error: HeaderError) {
    let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::BAD_REQUEST);
    write_error_page(out, false, status, &error.to_string(), &[]);
}

/// Appends the response to a request on which the application failed. The connection closes after it. The reason is
/// logged; the client must not see it.
pub(crate) fn write_server_error(out: &mut Vec<u8>, is_head: bool) {
    write_error_page(out, is_head, StatusCode::INTERNAL_SERVER_ERROR, "the application failed", &[]);
}

/// Appends the response to a client that should speak HTTP/2, and does not.
pub(crate) fn write_preface_error(out: &mut Vec<u8>) {
    let reason = "the connection does not begin with the preface of HTTP/2";
    write_error_page(out, false, StatusCode::BAD_REQUEST, reason, &[]);
}

fn write_error_page(out: &mut Vec<u8>, is_head: bool, status: StatusCode, reason: &str, fields: &[(&str, &str)]) {
    let title = status.canonical_reason().unwrap_or("");
    let body = format!("{} {title}: {reason}\n", status.as_u16());
    write::status_line(out, Version::Http11, status.as_u16(), title.as_bytes());
    write::field(out, b"Server", b"lab");
    write::field(out, b"Date", &date::now());
    write::field(out, b"Content-Type", b"text/plain; charset=utf-8");
    write::content_length(out, body.len() as u64);
    for (name, value) in fields {
        write::field(out, name.as_bytes(), value.as_bytes());
    }
    write::field(out, b"Connection", b"close");
    write::end(out);
    if !is_head {
        out.extend_from_slice(body.as_bytes());
    }
}

/// The application's Content-Length. More than one line, or anything but digits, is an error.
fn app_content_length(headers: &HeaderMap) -> Result<Option<u64>, InvalidResponse> {
    let mut lines = headers.get_all(CONTENT_LENGTH).iter();
    let Some(line) = lines.next() else { return Ok(None) };
    let text = line.to_str().ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    match (text.and_then(|text| text.parse().ok()), lines.next()) {
        (Some(size), None) => Ok(Some(size)),
        _ => Err(InvalidResponse::ContentLength),
    }
}

/// Appends a field line with its name in title case, `Content-Type`. `http` keeps names in lower case, and some clients
/// expect the usual spelling.
fn write_title_case_field(out: &mut Vec<u8>, name: &HeaderName, value: &[u8]) {
    let start = out.len();
    write::field(out, name.as_str().as_bytes(), value);
    let mut starts_word = true;
    for byte in &mut out[start..start + name.as_str().len()] {
        if starts_word {
            byte.make_ascii_uppercase();
        }
        starts_word = *byte == b'-';
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn framed(
        head: bool,
        version: Version,
        status: u16,
        length: Option<&str>,
        size: Option<u64>,
    ) -> Result<Framing, InvalidResponse> {
        let mut headers = HeaderMap::new();
        if let Some(length) = length {
            headers.insert(CONTENT_LENGTH, HeaderValue::from_str(length).unwrap());
        }
        let size = size.map_or_else(SizeHint::default, SizeHint::with_exact);
        choose_http_framing(
            RequestMeta { is_head: head, version },
            StatusCode::from_u16(status).unwrap(),
            &headers,
            &size,
        )
    }

    #[test]
    fn every_response_has_one_framing() {
        use BodyLength::{Chunked, None as Nothing, Sized, UntilClose};
        use Version::{Http10, Http11};
        let cases = [
            // HEAD, version, status, the app's Content-Length, the body's size: framing and Content-Length sent
            (false, Http11, 200, None, Some(5), Sized(5), Some(5)),
            (false, Http11, 200, Some("5"), Some(6), Sized(5), Some(5)),
            (false, Http11, 200, Some("5"), None, Sized(5), Some(5)),
            (false, Http11, 200, None, Some(0), Sized(0), Some(0)),
            (false, Http11, 200, None, None, Chunked, None),
            (false, Http10, 200, None, None, UntilClose, None),
            (false, Http10, 200, None, Some(5), Sized(5), Some(5)),
            (true, Http11, 200, Some("5"), Some(0), Nothing, Some(5)),
            (true, Http11, 200, None, Some(5), Nothing, Some(5)),
            (true, Http11, 200, None, Some(0), Nothing, None),
            (true, Http11, 200, None, None, Nothing, None),
            (false, Http11, 204, Some("5"), Some(5), Nothing, None),
            (false, Http11, 304, Some("5"), Some(0), Nothing, Some(5)),
            (false, Http11, 304, None, Some(5), Nothing, None),
        ];
        for (head, version, status, length, size, body, content_length) in cases {
            let found = framed(head, version, status, length, size);
            assert_eq!(found, Ok(Framing { body, content_length }), "{head} {version:?} {status} {length:?} {size:?}");
        }
    }

    #[test]
    fn unframable_responses_are_errors() {
        let length = |text| framed(false, Version::Http11, 200, Some(text), None);
        assert_eq!(length("+5"), Err(InvalidResponse::ContentLength));
        assert_eq!(length(""), Err(InvalidResponse::ContentLength));
        assert_eq!(length("5, 5"), Err(InvalidResponse::ContentLength));
        assert_eq!(framed(false, Version::Http11, 101, None, None), Err(InvalidResponse::Interim(101)));
    }

    #[test]
    fn head_has_server_fields_once_without_hop_by_hop() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("content-type", "text/plain"),
            ("set-cookie", "a=1"),
            ("set-cookie", "b=2"),
            ("date", "today"),
            ("server", "own"),
            ("connection", "x-secret"),
            ("transfer-encoding", "chunked"),
            ("keep-alive", "timeout=5"),
            ("x-content-type-options", "nosniff"),
        ] {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        let mut out = Vec::new();
        let framing = Framing { body: BodyLength::Sized(3), content_length: Some(3) };
        let meta = RequestMeta { is_head: false, version: Version::Http10 };
        write_head(&mut out, meta, true, StatusCode::OK, &headers, framing);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nDate: today\r\n\
             Server: own\r\nX-Content-Type-Options: nosniff\r\nContent-Length: 3\r\nConnection: keep-alive\r\n\r\n"
        );
    }
}
