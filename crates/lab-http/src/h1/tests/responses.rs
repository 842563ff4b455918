//! Response heads.

use super::{small_limits, whole_and_by_bytes};
use crate::h1::framing::response_body;
use crate::h1::parse::ResponseParser;
use crate::{BodyLength, Limits, Refusal, ResponseHead, Version};

fn parse(text: &[u8], limits: &Limits) -> Result<Option<(ResponseHead, usize)>, Refusal> {
    whole_and_by_bytes(text, |parser: &mut ResponseParser, text| parser.advance(text, limits))
}

#[test]
fn valid_head_is_kept_to_the_byte() {
    let text = b"HTTP/1.0 299 All  sorts \r\nServer: x\r\nSet-Cookie: a\r\nset-cookie: b\r\n\r\nbody";
    let (head, length) = parse(text, &Limits::default()).unwrap().unwrap();
    assert_eq!(length, text.len() - 4);
    assert_eq!((head.version, head.status, head.reason()), (Version::Http10, 299, &b"All  sorts "[..]));
    assert_eq!(head.headers.get_all("Set-Cookie").collect::<Vec<_>>(), [b"a", b"b"]);
}

#[test]
fn client_leniency_of_rfc_9112() {
    let (head, _) = parse(b"HTTP/1.1 200\r\nX-A  : b\r\nX-C\t:d\r\n\r\n", &Limits::default()).unwrap().unwrap();
    assert_eq!(head.reason(), b"");
    let expected: [(&[u8], &[u8]); 2] = [(b"X-A", b"b"), (b"X-C", b"d")];
    assert_eq!(head.headers.iter().collect::<Vec<_>>(), expected);
}

#[test]
fn malformed_responses_are_refused() {
    use Refusal::*;
    let cases = [
        ("\r\nHTTP/1.1 200 OK\r\n\r\n", StatusLine),
        ("HTTP/1.1\r\n\r\n", StatusLine),
        ("HTTP/1.1  200 OK\r\n\r\n", StatusLine),
        ("HTTP/1.1 20 OK\r\n\r\n", StatusLine),
        ("HTTP/1.1 099 OK\r\n\r\n", StatusLine),
        ("HTTP/1.1 2000 OK\r\n\r\n", StatusLine),
        ("HTTP/1.1 200OK\r\n\r\n", StatusLine),
        ("HTTP/1.1 200 O\0K\r\n\r\n", StatusLine),
        ("ICY 200 OK\r\n\r\n", StatusLine),
        ("HTTP/2.0 200 OK\r\n\r\n", Version),
        ("HTTP/1.1 200 OK\nX: y\r\n\r\n", BareLf),
        ("HTTP/1.1 200 O\rK\r\n\r\n", BareCr),
        ("HTTP/1.1 200 OK\r\nX: y\r\n z\r\n\r\n", Folded),
        ("HTTP/1.1 200 OK\r\n X: y\r\n\r\n", SpaceBeforeFirstField),
        ("HTTP/1.1 200 OK\r\nX y: z\r\n\r\n", FieldName),
        ("HTTP/1.1 200 OK\r\n : z\r\n\r\n", SpaceBeforeFirstField),
        ("HTTP/1.1 200 OK\r\nX: \0\r\n\r\n", FieldValue),
    ];
    for (text, refusal) in cases {
        assert_eq!(parse(text.as_bytes(), &Limits::default()), Err(refusal), "{text:?}");
    }
    let long = format!("HTTP/1.1 200 {}\r\n\r\n", "a".repeat(28));
    assert_eq!(parse(long.as_bytes(), &small_limits()), Err(StartLineTooLong));
}

#[test]
fn body_length_of_responses() {
    use BodyLength::*;
    let cases = [
        ("GET", "HTTP/1.1 200 OK", "Content-Length: 5", Sized(5)),
        ("GET", "HTTP/1.1 200 OK", "Transfer-Encoding: chunked", Chunked),
        ("GET", "HTTP/1.1 200 OK", "X: y", UntilClose),
        ("GET", "HTTP/1.0 200 OK", "X: y", UntilClose),
        ("HEAD", "HTTP/1.1 200 OK", "Content-Length: 5", None),
        ("HEAD", "HTTP/1.1 200 OK", "Transfer-Encoding: chunked", None),
        ("HEAD", "HTTP/1.1 200 OK", "X: y", None),
        ("GET", "HTTP/1.1 204 No Content", "Content-Length: 5", None),
        ("GET", "HTTP/1.1 304 Not Modified", "Content-Length: 5", None),
        ("GET", "HTTP/1.1 103 Early Hints", "X: y", None),
        ("POST", "HTTP/1.1 205 Reset Content", "Content-Length: 0", Sized(0)),
    ];
    for (method, status_line, field, expected) in cases {
        let text = format!("{status_line}\r\n{field}\r\n\r\n");
        let (head, _) = parse(text.as_bytes(), &Limits::default()).unwrap().unwrap();
        assert_eq!(response_body(method.as_bytes(), &head), Ok(expected), "{method} {text:?}");
    }
}

#[test]
fn ambiguous_response_framing_is_refused() {
    use Refusal::*;
    let cases = [
        ("1.1 200", "Content-Length: 5\r\nContent-Length: 5", ContentLengthRepeated),
        ("1.1 200", "Content-Length: 5\r\nTransfer-Encoding: chunked", ContentLengthAndTransferEncoding),
        ("1.1 200", "Transfer-Encoding: gzip, chunked", TransferCodingUnknown),
        ("1.0 200", "Transfer-Encoding: chunked", TransferEncodingInHttp10),
        ("1.1 304", "Content-Length: five", ContentLength),
    ];
    for (status, fields, refusal) in cases {
        let text = format!("HTTP/{status} X\r\n{fields}\r\n\r\n");
        let (head, _) = parse(text.as_bytes(), &Limits::default()).unwrap().unwrap();
        assert_eq!(response_body(b"GET", &head), Err(refusal), "{text:?}");
    }
}

#[test]
fn interim_responses() {
    for (status, interim) in [(100, true), (101, false), (103, true), (200, false)] {
        assert_eq!(ResponseHead::new(Version::Http11, status, "").is_interim(), interim, "{status}");
    }
}
