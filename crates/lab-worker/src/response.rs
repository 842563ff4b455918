//! How a response of the app is put on the wire: which framing it gets, and its head. Pure.

use http::header::{CONTENT_LENGTH, DATE, SERVER};
use http::{HeaderMap, HeaderName, StatusCode};
use http_body::SizeHint;
use lab_http::connection::is_hop_by_hop;
use lab_http::framing::is_bodyless;
use lab_http::{BodyLength, Refusal, Version, date, write};

use crate::proxy_protocol::HeaderError;

/// What a response answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// Whether the method was HEAD.
    pub head: bool,
    /// The version of the request.
    pub version: Version,
}

/// The framing of a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Framing {
    /// How the body is written; [`BodyLength::None`] where there must be none, whatever the app gave.
    pub body: BodyLength,
    /// The Content-Length that is announced: also without a body, in answer to HEAD and in a 304 (RFC 9110 §8.6).
    announced: Option<u64>,
}

/// What an app may not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ResponseError {
    #[error("the app answered with the interim status {0}")]
    Interim(u16),
    #[error("the app answered with a Content-Length that is not one number")]
    ContentLength,
}

/// Decides on the framing (RFC 9112 §6.3): as the app's Content-Length says, else as long as the body knows itself to
/// be, else in chunks, or up to the end of the connection for HTTP/1.0.
pub(crate) fn framing(asked: Asked, status: u16, given: Option<u64>, size: Option<u64>) -> Framing {
    let announced = given.or(size);
    if asked.head {
        // An app that leaves the body out of its answer to HEAD knows nothing of the size it would have had.
        let announced = announced.filter(|&size| given.is_some() || size > 0);
        return Framing { body: BodyLength::None, announced: announced.filter(|_| status != 204) };
    }
    if is_bodyless(status) {
        return Framing { body: BodyLength::None, announced: given.filter(|_| status == 304) };
    }
    let body = match (announced, asked.version) {
        (Some(size), _) => BodyLength::Sized(size),
        (None, Version::Http11) => BodyLength::Chunked,
        (None, Version::Http10) => BodyLength::UntilClose,
    };
    Framing { body, announced }
}

/// The framing of a response in the types of `http`.
pub(crate) fn frame(
    asked: Asked,
    status: StatusCode,
    headers: &HeaderMap,
    size: &SizeHint,
) -> Result<Framing, ResponseError> {
    if status.is_informational() {
        return Err(ResponseError::Interim(status.as_u16()));
    }
    Ok(framing(asked, status.as_u16(), given_length(headers)?, size.exact()))
}

/// Appends the head of a response. Fields of the connection are the server's own business, the app's are dropped
/// (PEP 3333: "Other HTTP Features"); Server and Date are added where the app gave none.
pub(crate) fn head(
    out: &mut Vec<u8>,
    asked: Asked,
    persistent: bool,
    status: StatusCode,
    headers: &HeaderMap,
    framing: Framing,
) {
    // The version is the server's own, not the client's (RFC 9110 §2.5).
    write::status_line(out, Version::Http11, status.as_u16(), status.canonical_reason().unwrap_or("").as_bytes());
    let (mut has_server, mut has_date) = (false, false);
    for (name, value) in headers {
        if name == CONTENT_LENGTH || is_hop_by_hop(name.as_str().as_bytes()) {
            continue;
        }
        has_server |= name == SERVER;
        has_date |= name == DATE;
        field(out, name, value.as_bytes());
    }
    end_of_head(out, asked, persistent, framing, Own { server: has_server, date: has_date });
}

/// Which of the fields that a server adds the app has given itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Own {
    pub(crate) server: bool,
    pub(crate) date: bool,
}

/// Appends the server's own fields and the end of a head.
pub(crate) fn end_of_head(out: &mut Vec<u8>, asked: Asked, persistent: bool, framing: Framing, own: Own) {
    if !own.server {
        write::field(out, b"Server", b"lab");
    }
    if !own.date {
        write::field(out, b"Date", &date::now());
    }
    if let Some(size) = framing.announced {
        write::content_length(out, size);
    }
    if framing.body == BodyLength::Chunked {
        write::field(out, b"Transfer-Encoding", b"chunked");
    }
    match (persistent, asked.version) {
        (false, _) => write::field(out, b"Connection", b"close"),
        (true, Version::Http10) => write::field(out, b"Connection", b"keep-alive"),
        (true, Version::Http11) => {}
    }
    write::end(out);
}

/// Appends the answer to a request that is not handed to the app; the connection closes behind it.
pub(crate) fn refusal(out: &mut Vec<u8>, head: bool, refusal: Refusal) {
    let status = StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::BAD_REQUEST);
    // RFC 9110 §15.5.6 asks for Allow; the target of CONNECT is no resource that allows any method.
    let allow: &[(&str, &str)] = if refusal == Refusal::Connect { &[("Allow", "")] } else { &[] };
    page(out, head, status, &refusal.to_string(), allow);
}

/// Appends the answer to a PROXY header that is not accepted.
pub(crate) fn not_let_in(out: &mut Vec<u8>, error: HeaderError) {
    let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::BAD_REQUEST);
    page(out, false, status, &error.to_string(), &[]);
}

/// Appends the answer to a request on which the app failed; the connection closes behind it. What went wrong is for
/// the log, not for the client.
pub(crate) fn server_error(out: &mut Vec<u8>, head: bool) {
    page(out, head, StatusCode::INTERNAL_SERVER_ERROR, "the application failed", &[]);
}

fn page(out: &mut Vec<u8>, head: bool, status: StatusCode, reason: &str, fields: &[(&str, &str)]) {
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
    if !head {
        out.extend_from_slice(body.as_bytes());
    }
}

/// The app's Content-Length: one line of digits, or none.
fn given_length(headers: &HeaderMap) -> Result<Option<u64>, ResponseError> {
    let mut lines = headers.get_all(CONTENT_LENGTH).iter();
    let Some(line) = lines.next() else { return Ok(None) };
    let text = line.to_str().ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    match (text.and_then(|text| text.parse().ok()), lines.next()) {
        (Some(size), None) => Ok(Some(size)),
        _ => Err(ResponseError::ContentLength),
    }
}

/// Appends a field line with the name as people write it, `Content-Type`; `http` only knows lower case.
fn field(out: &mut Vec<u8>, name: &HeaderName, value: &[u8]) {
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
    ) -> Result<Framing, ResponseError> {
        let mut headers = HeaderMap::new();
        if let Some(length) = length {
            headers.insert(CONTENT_LENGTH, HeaderValue::from_str(length).unwrap());
        }
        let size = size.map_or_else(SizeHint::default, SizeHint::with_exact);
        frame(Asked { head, version }, StatusCode::from_u16(status).unwrap(), &headers, &size)
    }

    #[test]
    fn every_response_has_one_framing() {
        use BodyLength::{Chunked, None as Nothing, Sized, UntilClose};
        use Version::{Http10, Http11};
        let cases = [
            // head, version, status, the app's Content-Length, the body's size: framing and announced length
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
        for (head, version, status, length, size, body, announced) in cases {
            let found = framed(head, version, status, length, size);
            assert_eq!(found, Ok(Framing { body, announced }), "{head} {version:?} {status} {length:?} {size:?}");
        }
    }

    #[test]
    fn what_cannot_be_framed_is_an_error_of_the_app() {
        let length = |text| framed(false, Version::Http11, 200, Some(text), None);
        assert_eq!(length("+5"), Err(ResponseError::ContentLength));
        assert_eq!(length(""), Err(ResponseError::ContentLength));
        assert_eq!(length("5, 5"), Err(ResponseError::ContentLength));
        assert_eq!(framed(false, Version::Http11, 101, None, None), Err(ResponseError::Interim(101)));
    }

    #[test]
    fn a_head_has_the_servers_fields_once_and_none_of_the_connections() {
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
        let framing = Framing { body: BodyLength::Sized(3), announced: Some(3) };
        head(&mut out, Asked { head: false, version: Version::Http10 }, true, StatusCode::OK, &headers, framing);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nDate: today\r\n\
             Server: own\r\nX-Content-Type-Options: nosniff\r\nContent-Length: 3\r\nConnection: keep-alive\r\n\r\n"
        );
    }
}
