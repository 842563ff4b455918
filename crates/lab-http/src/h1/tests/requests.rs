//! Request heads.

use super::{small_limits, whole_and_by_bytes};
use crate::h1::parse::RequestParser;
use crate::h1::request::{ValidRequest, validate_request};
use crate::{BodyLength, Limits, Refusal, RequestHead, Version};

fn parse(text: &[u8], limits: &Limits) -> Result<Option<(RequestHead, usize)>, Refusal> {
    whole_and_by_bytes(text, |parser: &mut RequestParser, text| parser.advance(text, limits))
}

/// Parses and validates a request and passes the result to `look`.
fn validate<T>(text: &str, look: impl FnOnce(&RequestHead, ValidRequest<'_>) -> T) -> Result<T, Refusal> {
    let (head, length) = parse(text.as_bytes(), &Limits::default())?.expect("the head is complete");
    assert_eq!(length, text.len());
    let valid = validate_request(&head)?;
    Ok(look(&head, valid))
}

#[test]
fn valid_head_is_kept_to_the_byte() {
    let text =
        b"GET /a%2Fb/../c?x=%00&y HTTP/1.1\r\nHOST: a:80\r\nx-1:\t two  words\t\r\nX-1:\r\nX_2: caf\xe9\r\n\r\nGET";
    let (head, length) = parse(text, &Limits::default()).unwrap().unwrap();
    assert_eq!(length, text.len() - 3);
    assert_eq!(
        (head.method(), head.target(), head.version),
        (&b"GET"[..], &b"/a%2Fb/../c?x=%00&y"[..], Version::Http11)
    );
    let lines: Vec<_> = head.headers.iter().collect();
    let expected: [(&[u8], &[u8]); 4] =
        [(b"HOST", b"a:80"), (b"x-1", b"two  words"), (b"X-1", b""), (b"X_2", b"caf\xe9")];
    assert_eq!(lines, expected);
}

#[test]
fn empty_line_before_request_line_is_skipped() {
    let (head, length) = parse(b"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", &Limits::default()).unwrap().unwrap();
    assert_eq!((head.method(), head.target(), length), (&b"GET"[..], &b"/"[..], 29));
    assert_eq!(head.headers.get("host"), Some(&b"a"[..]));
}

#[test]
fn incomplete_head_is_pending() {
    for text in ["", "\r", "\r\n", "GET / HTTP/1.1", "GET / HTTP/1.1\r\nHost: a\r\n\r"] {
        assert_eq!(parse(text.as_bytes(), &Limits::default()), Ok(None), "{text:?}");
    }
}

#[test]
fn malformed_requests_are_refused() {
    use Refusal::*;
    let cases: &[(&str, Refusal)] = &[
        // line ends
        ("GET / HTTP/1.1\nHost: a\r\n\r\n", BareLf),
        ("GET / HTTP/1.1\r\nHost: a\n\r\n", BareLf),
        ("GET / HTTP/1.1\r\nHost: a\r\n\n", BareLf),
        ("\nGET / HTTP/1.1\r\n\r\n", BareLf),
        ("GET / HTTP/1.1\r\nHost: a\r\r\n\r\n", BareCr),
        ("GET / HTTP/1.1\r\nX: a\rY: b\r\n\r\n", BareCr),
        ("GET / HTTP/1.1\r\nX\r: a\r\n\r\n", BareCr),
        ("GET /\r HTTP/1.1\r\n\r\n", BareCr),
        // the request line
        ("\r\n\r\nGET / HTTP/1.1\r\n\r\n", RequestLine),
        ("GET /\r\n\r\n", RequestLine),
        ("GET\r\n\r\n", RequestLine),
        ("GET  / HTTP/1.1\r\n\r\n", RequestLine),
        ("GET / HTTP/1.1 \r\n\r\n", RequestLine),
        ("GET /a b HTTP/1.1\r\n\r\n", RequestLine), // CVE-2013-4547
        ("GET /\tHTTP/1.1\r\n\r\n", RequestLine),
        (" GET / HTTP/1.1\r\n\r\n", RequestLine),
        ("GET / http/1.1\r\n\r\n", RequestLine),
        ("GET / HTTP/1\r\n\r\n", RequestLine),
        ("GET / HTTP/1.10\r\n\r\n", RequestLine),
        ("GET / HTTP/+1.1\r\n\r\n", RequestLine),
        ("G(T / HTTP/1.1\r\n\r\n", Method),
        ("get / HTTP/1.1\r\n\r\n", Method),
        ("GET /\0 HTTP/1.1\r\n\r\n", Target),
        ("GET /a\tb HTTP/1.1\r\n\r\n", Target),
        ("GET /\x7f HTTP/1.1\r\n\r\n", Target),
        ("GET / HTTP/2.0\r\n\r\n", Version),
        ("GET / HTTP/0.9\r\n\r\n", Version),
        ("PRI * HTTP/2.0\r\n\r\n", Version),
        // field lines
        ("GET / HTTP/1.1\r\n Host: a\r\n\r\n", SpaceBeforeFirstField),
        ("GET / HTTP/1.1\r\n\tHost: a\r\n\r\n", SpaceBeforeFirstField),
        ("GET / HTTP/1.1\r\n \r\n\r\n", SpaceBeforeFirstField),
        ("GET / HTTP/1.1\r\nX: a\r\n b\r\n\r\n", Folded),
        ("GET / HTTP/1.1\r\nX: a\r\n\t\r\n\r\n", Folded),
        ("GET / HTTP/1.1\r\nHost : a\r\n\r\n", SpaceBeforeColon),
        ("GET / HTTP/1.1\r\nHost\t: a\r\n\r\n", SpaceBeforeColon),
        ("GET / HTTP/1.1\r\nHo st: a\r\n\r\n", FieldName),
        ("GET / HTTP/1.1\r\n: a\r\n\r\n", FieldName),
        ("GET / HTTP/1.1\r\nHost\r\n\r\n", FieldName),
        ("GET / HTTP/1.1\r\nX\0: a\r\n\r\n", FieldName),
        ("GET / HTTP/1.1\r\nTransfer-Encoding\x0b: chunked\r\n\r\n", FieldName),
        ("GET / HTTP/1.1\r\n\u{e9}: a\r\n\r\n", FieldName),
        ("GET / HTTP/1.1\r\nX: a\0b\r\n\r\n", FieldValue),
        ("GET / HTTP/1.1\r\nX: a\x7f\r\n\r\n", FieldValue),
        ("GET / HTTP/1.1\r\nTransfer-Encoding: \x0bchunked\r\n\r\n", FieldValue),
    ];
    for (text, refusal) in cases {
        assert_eq!(parse(text.as_bytes(), &Limits::default()), Err(*refusal), "{text:?}");
    }
}

#[test]
fn limits_are_inclusive() {
    let line = |length: usize| format!("GET /{} HTTP/1.1\r\n", "a".repeat(length - 14));
    let field = |length: usize| format!("X: {}\r\n", "a".repeat(length - 3));
    let cases = [
        (line(40) + "\r\n", Ok(())),
        (line(41) + "\r\n", Err(Refusal::StartLineTooLong)),
        // without an end, refused as soon as it is too long
        ("G".repeat(42), Err(Refusal::StartLineTooLong)),
        (line(20) + &field(30) + "\r\n", Ok(())),
        (line(20) + &field(31) + "\r\n", Err(Refusal::FieldTooLong)),
        (line(20) + &"X".repeat(32), Err(Refusal::FieldTooLong)),
        (line(20) + &field(5).repeat(4) + "\r\n", Ok(())),
        (line(20) + &field(5).repeat(5) + "\r\n", Err(Refusal::TooManyFields)),
        (line(40) + &field(23).repeat(3) + "\r\n", Ok(())),
        (line(40) + &field(24).repeat(3) + "\r\n", Err(Refusal::HeadTooLong)),
    ];
    for (text, expected) in cases {
        assert_eq!(parse(text.as_bytes(), &small_limits()).map(|_| ()), expected, "{text:?}");
    }
    // What follows a head does not count.
    assert!(parse((line(20) + "\r\n" + &"a".repeat(500)).as_bytes(), &small_limits()).is_ok());
}

#[test]
fn status_by_refusal() {
    use Refusal::*;
    for (refusal, status) in [
        (BareLf, 400),
        (Host, 400),
        (ContentLengthAndTransferEncoding, 400),
        (Connect, 405),
        (Timeout, 408),
        (BodyTooLarge, 413),
        (StartLineTooLong, 414),
        (ExpectationUnknown, 417),
        (FieldTooLong, 431),
        (TooManyFields, 431),
        (HeadTooLong, 431),
        (TransferCodingUnknown, 501),
        (Version, 505),
        (StorageFull, 507),
    ] {
        assert_eq!(refusal.status(), status, "{refusal:?}");
    }
}

#[test]
fn targets_are_parsed() {
    let cases = [
        // request line and Host line, then path, query, host, origin form
        ("GET /a/b?c?d HTTP/1.1\r\nHost: h:81", "/a/b", Some("c?d"), Some("h:81"), "/a/b?c?d"),
        ("GET / HTTP/1.0", "/", None, None, "/"),
        ("GET //x/y HTTP/1.1\r\nHost: h", "//x/y", None, Some("h"), "//x/y"),
        ("GET /? HTTP/1.1\r\nHost: [::1]:80", "/", Some(""), Some("[::1]:80"), "/?"),
        ("OPTIONS * HTTP/1.1\r\nHost: h", "*", None, Some("h"), "*"),
        ("GET http://own:1/p?q HTTP/1.1\r\nHost: other", "/p", Some("q"), Some("own:1"), "/p?q"),
        ("GET HTTPS://own HTTP/1.1\r\nHost: other", "/", None, Some("own"), "/"),
        ("GET http://own?q HTTP/1.1\r\nHost: other", "/", Some("q"), Some("own"), "/?q"),
        ("OPTIONS http://own HTTP/1.1\r\nHost: other", "*", None, Some("own"), "*"),
    ];
    for (text, path, query, host, origin_form) in cases {
        validate(&format!("{text}\r\n\r\n"), |head, valid| {
            let target = &valid.target;
            assert_eq!(target.path, path.as_bytes(), "{text:?}");
            assert_eq!(target.query, query.map(str::as_bytes), "{text:?}");
            assert_eq!(target.host, host.map(str::as_bytes), "{text:?}");
            assert_eq!(target.origin_form(head), origin_form.as_bytes(), "{text:?}");
        })
        .unwrap();
    }
}

#[test]
fn malformed_targets_and_hosts_are_refused() {
    use Refusal::*;
    let cases = [
        ("CONNECT a:80 HTTP/1.1\r\nHost: a:80", Connect),
        ("GET * HTTP/1.1\r\nHost: a", Target),
        ("GET a HTTP/1.1\r\nHost: a", Target),
        ("GET a:80 HTTP/1.1\r\nHost: a", Target),
        ("GET ftp://a/ HTTP/1.1\r\nHost: a", Target),
        ("GET /a#b HTTP/1.1\r\nHost: a", Target),
        ("GET http://a/#b HTTP/1.1\r\nHost: a", Target),
        ("GET http:///p HTTP/1.1\r\nHost: a", Host),
        ("GET http://u@a/ HTTP/1.1\r\nHost: a", Host),
        ("GET http://a:b/ HTTP/1.1\r\nHost: a", Host),
        ("GET / HTTP/1.1", HostMissing),
        ("GET http://a/ HTTP/1.1", HostMissing),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: a", HostRepeated),
        ("GET / HTTP/1.0\r\nHost: a\r\nhost: b", HostRepeated),
        ("GET http://a/ HTTP/1.1\r\nHost: a\r\nHost: b", HostRepeated),
        ("GET / HTTP/1.1\r\nHost:", Host),
        ("GET / HTTP/1.1\r\nHost: a b", Host),
        ("GET / HTTP/1.1\r\nHost: u@a", Host),
        ("GET / HTTP/1.1\r\nHost: a/b", Host),
        ("GET / HTTP/1.1\r\nHost: a:80:80", Host),
        ("GET / HTTP/1.1\r\nHost: a:8x", Host),
        ("GET / HTTP/1.1\r\nHost: a:123456", Host),
        ("GET / HTTP/1.1\r\nHost: :80", Host),
        ("GET / HTTP/1.1\r\nHost: ::1", Host),
        ("GET / HTTP/1.1\r\nHost: [::1", Host),
        ("GET / HTTP/1.1\r\nHost: []", Host),
        ("GET / HTTP/1.1\r\nHost: [::1]x", Host),
        ("GET / HTTP/1.1\r\nHost: [::x]:80", Host),
        ("GET / HTTP/1.1\r\nHost: a%2", Host),
        ("GET / HTTP/1.1\r\nHost: a\\b", Host),
    ];
    for (text, refusal) in cases {
        assert_eq!(validate(&format!("{text}\r\n\r\n"), |_, _| ()), Err(refusal), "{text:?}");
    }
}

#[test]
fn valid_hosts() {
    for host in
        ["a", "a.b-c_d.", "127.0.0.1:8080", "[2001:db8::1]", "[::ffff:1.2.3.4]:1", "xn--bcher-kva.example:", "a%20b"]
    {
        assert!(crate::message::target::is_host(host.as_bytes()), "{host}");
    }
}

#[test]
fn body_length_of_requests() {
    use BodyLength::*;
    let cases = [
        ("1.1", "X: y", None),
        ("1.1", "Content-Length: 0", Sized(0)),
        ("1.0", "content-length: 0042", Sized(42)),
        ("1.1", "Content-Length: 18446744073709551615", Sized(u64::MAX)),
        ("1.1", "Transfer-Encoding: chunked", Chunked),
        ("1.1", "transfer-encoding: Chunked", Chunked),
    ];
    for (version, field, expected) in cases {
        let text = format!("POST / HTTP/{version}\r\nHost: a\r\n{field}\r\n\r\n");
        assert_eq!(validate(&text, |_, valid| valid.body), Ok(expected), "{text:?}");
    }
}

#[test]
fn ambiguous_request_framing_is_refused() {
    use Refusal::*;
    let cases = [
        ("1.1", "Content-Length: 5\r\nContent-Length: 5", ContentLengthRepeated),
        ("1.1", "Content-Length: 5\r\ncontent-length: 6", ContentLengthRepeated), // CVE-2019-16785
        ("1.1", "Content-Length: 5, 5", ContentLength),
        ("1.1", "Content-Length: +5", ContentLength), // CVE-2021-32715
        ("1.1", "Content-Length: -5", ContentLength),
        ("1.1", "Content-Length: 0x5", ContentLength),
        ("1.1", "Content-Length: 5 5", ContentLength),
        ("1.1", "Content-Length: 5.", ContentLength),
        ("1.1", "Content-Length: \u{b2}", ContentLength),
        ("1.1", "Content-Length:", ContentLength),
        ("1.1", "Content-Length: 18446744073709551616", ContentLength),
        ("1.1", "Content-Length: 5\r\nTransfer-Encoding: chunked", ContentLengthAndTransferEncoding),
        ("1.1", "Transfer-Encoding: identity\r\nContent-Length: 5", ContentLengthAndTransferEncoding),
        ("1.0", "Transfer-Encoding: chunked", TransferEncodingInHttp10), // CVE-2026-2835
        ("1.1", "Transfer-Encoding: chunked, chunked", TransferEncoding),
        ("1.1", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", TransferEncoding),
        ("1.1", "Transfer-Encoding: chunked, identity", TransferEncoding), // CVE-2024-1135
        ("1.1", "Transfer-Encoding: chunked\r\nTransfer-Encoding: x", TransferEncoding),
        ("1.1", "Transfer-Encoding: chunked,", TransferEncoding),
        ("1.1", "Transfer-Encoding: ,chunked", TransferEncoding),
        ("1.1", "Transfer-Encoding:", TransferEncoding),
        ("1.1", "Transfer-Encoding: gzip, chunked", TransferCodingUnknown),
        ("1.1", "Transfer-Encoding: gzip", ChunkedMissing),
        ("1.1", "Transfer-Encoding: deflate\r\nTransfer-Encoding: X-GZIP", ChunkedMissing),
        ("1.1", "Transfer-Encoding: identity", ChunkedMissing),
        ("1.1", "Transfer-Encoding: xchunked", TransferCodingUnknown),
        ("1.1", "Transfer-Encoding: \"chunked\"", TransferCodingUnknown),
        ("1.1", "Transfer-Encoding: chunked;q=1", TransferCodingUnknown),
    ];
    for (version, fields, refusal) in cases {
        let text = format!("POST / HTTP/{version}\r\nHost: a\r\n{fields}\r\n\r\n");
        assert_eq!(validate(&text, |_, _| ()), Err(refusal), "{text:?}");
    }
}

#[test]
fn persistence_and_expectation() {
    let cases = [
        ("1.1", "X: y", true, false),
        ("1.1", "Connection: close", false, false),
        ("1.1", "Connection: x, CLOSE", false, false),
        ("1.1", "Connection: keep-alive\r\nConnection: close", false, false),
        ("1.0", "X: y", false, false),
        ("1.0", "Connection: Keep-Alive", true, false),
        ("1.1", "Expect: 100-Continue\r\nContent-Length: 1", true, true),
        ("1.1", "Expect: 100-continue", true, false),
        ("1.0", "Expect: 100-continue\r\nContent-Length: 1", false, false),
    ];
    for (version, fields, persistent, expects_continue) in cases {
        let text = format!("POST / HTTP/{version}\r\nHost: a\r\n{fields}\r\n\r\n");
        let found = validate(&text, |_, valid| (valid.persistent, valid.expects_continue));
        assert_eq!(found, Ok((persistent, expects_continue)), "{text:?}");
    }
}
