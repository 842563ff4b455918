//! Turns a head as it arrived into the `http::Request` that a native application is called with. Pure.

use bytes::Bytes;
use http::header::HOST;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri};
use lab_http::message::target::Target;
use lab_http::{Refusal, RequestHead, Version};

use crate::request_body::RequestBody;
use lab_http::message::extensions::{ConnectionInfo, RawHead};

/// Builds the request. The target is in origin form. Host is the host the request is for, even where an absolute target
/// overrides the field (RFC 9112 §3.2.2). The extensions hold the head exactly as it arrived.
pub(crate) fn build(
    arrived: &RawHead,
    target: &Target<'_>,
    connection: ConnectionInfo,
    body: RequestBody,
) -> Result<Request<RequestBody>, Refusal> {
    let head = arrived.head();
    let mut request = Request::new(body);
    *request.method_mut() = Method::from_bytes(head.method()).map_err(|_| Refusal::Method)?;
    *request.uri_mut() = uri(&target.origin_form(head))?;
    *request.version_mut() = match head.version {
        Version::Http10 => http::Version::HTTP_10,
        Version::Http11 => http::Version::HTTP_11,
        Version::Http2 => http::Version::HTTP_2,
    };
    *request.headers_mut() = headers(head, target)?;
    request.extensions_mut().insert(arrived.clone());
    request.extensions_mut().insert(connection);
    Ok(request)
}

fn headers(head: &RequestHead, target: &Target<'_>) -> Result<HeaderMap, Refusal> {
    let mut map = HeaderMap::with_capacity(head.headers.len());
    for (name, value) in head.headers.iter() {
        let name = HeaderName::from_bytes(name).map_err(|_| Refusal::FieldName)?;
        let value = HeaderValue::from_bytes(value).map_err(|_| Refusal::FieldValue)?;
        map.append(name, value);
    }
    if let (lab_http::message::target::Form::Absolute, Some(host)) = (target.form, target.host) {
        map.insert(HOST, HeaderValue::from_bytes(host).map_err(|_| Refusal::Host)?);
    }
    Ok(map)
}

/// `Uri` rejects bytes that clients send and servers accept, so those are percent-encoded.
fn uri(origin_form: &[u8]) -> Result<Uri, Refusal> {
    if let Ok(path) = PathAndQuery::from_maybe_shared(Bytes::copy_from_slice(origin_form)) {
        return Ok(Uri::from(path));
    }
    let mut escaped = Vec::with_capacity(origin_form.len() + 16);
    for &byte in origin_form {
        if byte >= 0x80 || matches!(byte, b'<' | b'>' | b'`' | b'^' | b'\\' | b'|' | b'"' | b'{' | b'}') {
            escaped.extend_from_slice(format!("%{byte:02X}").as_bytes());
        } else {
            escaped.push(byte);
        }
    }
    PathAndQuery::from_maybe_shared(Bytes::from(escaped)).map(Uri::from).map_err(|_| Refusal::Target)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn built(head: RequestHead) -> Request<RequestBody> {
        let address = "127.0.0.1:1".parse().expect("an address");
        let arrived = RawHead::from(head);
        let valid = lab_http::h1::request::validate_request(arrived.head()).expect("sound");
        let connection = ConnectionInfo::Tcp { peer: address, local: address };
        build(&arrived, &valid.target, connection, RequestBody::empty()).expect("a request")
    }

    fn head(target: impl AsRef<[u8]>) -> RequestHead {
        let mut head = RequestHead::new("GET", target, Version::Http11);
        head.headers.push("Host", "field");
        head.headers.push("X-A", "1");
        head.headers.push("x-a", b"\xe9");
        head
    }

    #[test]
    fn target_is_kept_where_uri_allows_it() {
        let cases: [(&[u8], &str); 7] = [
            (b"/a%2fb/../c?x=%00", "/a%2fb/../c?x=%00"),
            (b"//x/y", "//x/y"),
            (b"/a|b?{c}", "/a|b?{c}"),
            (b"/a|b?\"c\"", "/a%7Cb?%22c%22"),
            (b"/<a>", "/%3Ca%3E"),
            (b"/caf\xe9", "/caf%E9"),
            (b"/caf\xc3\xa9?`", "/caf\u{e9}?`"),
        ];
        for (target, expected) in cases {
            assert_eq!(built(head(target)).uri().to_string(), expected, "{}", target.escape_ascii());
        }
    }

    #[test]
    fn host_of_an_absolute_target_wins() {
        let request = built(head("http://own:1/p?q"));
        assert_eq!(request.uri().to_string(), "/p?q");
        assert_eq!(request.headers().get_all(HOST).iter().collect::<Vec<_>>(), ["own:1"]);
        assert_eq!(built(head("/")).headers()[HOST], "field");
    }

    #[test]
    fn raw_head_is_in_the_extensions() {
        let request = built(head("/"));
        let lines = request.extensions().get::<RawHead>().expect("inserted").lines();
        let lines: Vec<_> = lines.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(lines, [("Host", "field"), ("X-A", "1"), ("x-a", "é")]);
        assert_eq!(request.headers().get_all("x-a").iter().count(), 2);
        assert!(request.extensions().get::<ConnectionInfo>().is_some());
    }
}
