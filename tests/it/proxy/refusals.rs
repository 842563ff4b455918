//! Requests that are refused: the status, the closed connection, and that no upstream hears of them.

use super::case::{UpstreamResponse, bytes};
use super::running::Proxy;
use super::upstream::Upstream;
use crate::support::wait_until;

/// Name, request and status. Each line of a request ends with CRLF.
const REFUSED: &[(&str, &str, u16)] = &[
    ("no host", "GET / HTTP/1.1\n\n", 400),
    ("two hosts", "GET / HTTP/1.1\nHost: a\nHost: a\n\n", 400),
    ("host with a path", "GET / HTTP/1.1\nHost: a/b\n\n", 400),
    ("host with a space", "GET / HTTP/1.1\nHost: a b\n\n", 400),
    ("bare line feeds", "GET / HTTP/1.1\\nHost: a\\n\\n\\\n", 400),
    ("bare carriage return", "GET / HTTP/1.1\nHost: a\nX-A: b\\rc\n\n", 400),
    ("nul in a value", "GET / HTTP/1.1\nHost: a\nX-A: b\\0c\n\n", 400),
    ("space before the colon", "GET / HTTP/1.1\nHost: a\nX-A : b\n\n", 400),
    ("space before the first field", "GET / HTTP/1.1\n X-A: b\nHost: a\n\n", 400),
    ("folded field", "GET / HTTP/1.1\nHost: a\nX-A: b\n  c\n\n", 400),
    ("space in the target", "GET /a b HTTP/1.1\nHost: a\n\n", 400),
    ("fragment in the target", "GET /a#b HTTP/1.1\nHost: a\n\n", 400),
    ("relative target", "GET a HTTP/1.1\nHost: a\n\n", 400),
    ("asterisk with GET", "GET * HTTP/1.1\nHost: a\n\n", 400),
    ("out of the root", "GET /a/../../b HTTP/1.1\nHost: a\n\n", 400),
    ("out of the root, escaped", "GET /%2e%2e/%2E. HTTP/1.1\nHost: a\n\n", 400),
    ("escaped nul", "GET /a%00 HTTP/1.1\nHost: a\n\n", 400),
    ("half an escape", "GET /a%2 HTTP/1.1\nHost: a\n\n", 400),
    ("length and chunked", "POST / HTTP/1.1\nHost: a\nContent-Length: 5\nTransfer-Encoding: chunked\n\n0\n\n", 400),
    ("two equal lengths", "POST / HTTP/1.1\nHost: a\nContent-Length: 5\nContent-Length: 5\n\nhello\\\n", 400),
    ("length with a sign", "POST / HTTP/1.1\nHost: a\nContent-Length: +5\n\nhello\\\n", 400),
    ("length too long", "POST / HTTP/1.1\nHost: a\nContent-Length: 99999999999999999999\n\nhello\\\n", 400),
    ("length list", "POST / HTTP/1.1\nHost: a\nContent-Length: 5, 5\n\nhello\\\n", 400),
    ("chunked in HTTP/1.0", "POST / HTTP/1.0\nHost: a\nTransfer-Encoding: chunked\n\n0\n\n", 400),
    ("chunked twice", "POST / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked, chunked\n\n0\n\n", 400),
    ("unknown coding", "POST / HTTP/1.1\nHost: a\nTransfer-Encoding: xchunked\n\n0\n\n", 501),
    ("chunk size with 0x", "POST / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\n\n0x5\nhello\n0\n\n", 400),
    (
        "chunk size overflow",
        "POST / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\n\n10000000000000000\nhello\n0\n\n",
        400,
    ),
    ("chunk without its end", "POST / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\n\n5\nhelloX\n0\n\n", 400),
    (
        "endless chunk extension",
        "POST / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\n\n5;\\*20000(a)\nhello\n0\n\n",
        400,
    ),
    ("lower-case method", "get / HTTP/1.1\nHost: a\n\n", 400),
    ("version 2.0", "GET / HTTP/2.0\nHost: a\n\n", 505),
    ("version 0.9", "GET /\n\n", 400),
    ("long request line", "GET /\\*9000(a) HTTP/1.1\nHost: a\n\n", 414),
    ("long field", "GET / HTTP/1.1\nHost: a\nX-A: \\*9000(a)\n\n", 431),
    ("long head", "GET / HTTP/1.1\nHost: a\n\\*5000(X-A: aaaa\\r\\n)\n\n", 431),
];

#[test]
fn bare_line_feeds_are_accepted_on_request() {
    let response = b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok".to_vec();
    let upstream = Upstream::start(vec![UpstreamResponse { bytes: response, ..UpstreamResponse::default() }]);
    let proxy = Proxy::start(&super::configuration("ignore_bare_lf on;", None, "", &upstream));
    let got = proxy.converse(b"GET / HTTP/1.1\nHost: a\nConnection: close\n\n");
    let got = String::from_utf8_lossy(&got);
    assert!(got.starts_with("HTTP/1.1 200 OK\r\n") && got.ends_with("\r\n\r\nok"), "{got}");
}

#[test]
fn refused_request_never_reaches_the_upstream() {
    let upstream = Upstream::start(Vec::new());
    let proxy = super::plain_proxy(&upstream);
    for (name, request, status) in REFUSED {
        let mut stream = bytes(request);
        // nothing is served behind an error
        stream.extend_from_slice(b"GET /smuggled HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        let got = String::from_utf8(proxy.converse(&stream)).unwrap();
        assert!(got.starts_with(&format!("HTTP/1.1 {status} ")), "{name}: {got}");
        assert!(got.contains("\r\nConnection: close\r\n"), "{name}: {got}");
        assert_eq!(got.matches("HTTP/1.1 ").count(), 1, "{name}: {got}");
        assert!(got.ends_with("</html>\r\n"), "{name}: {got}");
    }
    let received = upstream.received();
    assert!(received.is_empty(), "{}", String::from_utf8_lossy(&received.concat()));
    let log = wait_until("the access log", || {
        Some(proxy.read("access.log")).filter(|log| log.lines().count() >= REFUSED.len())
    });
    let logged: Vec<&str> = log.lines().collect();
    let expected: Vec<String> = REFUSED.iter().map(|(_, _, status)| status.to_string()).collect();
    assert_eq!(logged, expected);
}
