//! What happens to connections that end, stall or are used again.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};

use super::case::{End, UpstreamResponse};
use super::running::{Proxy, STUCK, read_some, read_to_end};
use super::upstream::Upstream;
use crate::support::wait_until;

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n";

fn response(bytes: &[u8], end: End) -> UpstreamResponse {
    UpstreamResponse { bytes: bytes.to_vec(), end, is_early: false }
}

/// Reads one response with a Content-Length.
fn read_answer(stream: &mut TcpStream) -> String {
    let mut got = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&got).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")).expect("a length");
            if body.len() >= length.parse().expect("a number") {
                return text;
            }
        }
        let read = read_some(stream, &mut piece).expect("a response");
        assert!(read > 0, "the connection ended after {text:?}");
        got.extend_from_slice(&piece[..read]);
    }
}

#[test]
fn idle_upstream_connection_may_close() {
    let ok = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    let upstream =
        Upstream::start(vec![response(ok, End::Close), response(ok, End::Reset), response(ok, End::KeepOpen)]);
    let proxy = super::plain_proxy(&upstream);
    let mut stream = proxy.connect();
    let post = b"POST / HTTP/1.1\r\nHost: example.org\r\nContent-Length: 5\r\n\r\nhello";
    for (number, request) in [GET, post, post].into_iter().enumerate() {
        wait_until("the upstream to close", || upstream.ended() == number);
        stream.write_all(request).unwrap();
        let got = read_answer(&mut stream);
        assert!(got.starts_with("HTTP/1.1 200 OK\r\n"), "request {number}: {got}");
    }
    assert_eq!(upstream.received().len(), 3);
}

#[test]
fn expecting_client_is_collected_before_the_upstream() {
    let upstream = Upstream::start(Vec::new());
    let proxy = super::plain_proxy(&upstream);
    let mut slow = proxy.connect();
    slow.write_all(b"POST /slow HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n").unwrap();
    let mut interim = [0; "HTTP/1.1 100 Continue\r\n\r\n".len()];
    slow.read_exact(&mut interim).unwrap();
    assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
    slow.write_all(b"hel").unwrap();
    let mut other = proxy.connect();
    other.write_all(GET).unwrap();
    read_answer(&mut other);
    let received = || upstream.received().into_iter().flatten().collect::<Vec<_>>();
    assert!(!String::from_utf8_lossy(&received()).contains("/slow"));
    slow.write_all(b"lo").unwrap();
    read_answer(&mut slow);
    let received = String::from_utf8_lossy(&received()).into_owned();
    assert!(received.contains("POST /slow HTTP/1.1\r\n") && received.ends_with("hello"), "{received}");
    assert!(!received.contains("Expect"), "{received}");
}

#[test]
fn post_is_never_repeated() {
    // the first response keeps the connection; the upstream closes it after the next request, without a response
    let ok = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    let upstream =
        Upstream::start(vec![response(ok, End::KeepOpen), response(b"", End::Close), response(ok, End::KeepOpen)]);
    let proxy = super::plain_proxy(&upstream);
    let mut stream = proxy.connect();
    stream.write_all(GET).unwrap();
    read_answer(&mut stream);
    stream.write_all(b"POST / HTTP/1.1\r\nHost: example.org\r\nContent-Length: 5\r\n\r\nhello").unwrap();
    assert!(read_answer(&mut stream).starts_with("HTTP/1.1 502 "));
    let seen = upstream.received().concat();
    assert_eq!(String::from_utf8_lossy(&seen).matches("POST").count(), 1);
}

#[test]
fn broken_get_is_repeated_once() {
    let ok = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    let upstream =
        Upstream::start(vec![response(ok, End::KeepOpen), response(b"", End::Close), response(ok, End::KeepOpen)]);
    let proxy = super::plain_proxy(&upstream);
    let mut stream = proxy.connect();
    for _ in 0..2 {
        stream.write_all(GET).unwrap();
        assert!(read_answer(&mut stream).starts_with("HTTP/1.1 200 OK\r\n"));
    }
    let requests: Vec<usize> =
        upstream.received().iter().map(|received| String::from_utf8_lossy(received).matches("GET").count()).collect();
    assert_eq!(requests, [2, 1]);
}

#[test]
fn http_1_0_client_sees_a_truncated_response() {
    let begun = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n";
    let upstream = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = upstream.local_addr().unwrap();
    let proxy = Proxy::start(&format!(
        "events {{ }} http {{ server {{ listen {{listen}}; location / {{ proxy_pass http://{address}; }} }} }}"
    ));
    let mut client = proxy.connect();
    client.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
    let (mut stream, _) = upstream.accept().unwrap();
    assert!(read_some(&mut stream, &mut [0; 1000]).unwrap() > 0);
    stream.write_all(begun).unwrap();
    let mut got = Vec::new();
    while !got.ends_with(b"hello") {
        let mut piece = [0; 1000];
        let read = read_some(&mut client, &mut piece).unwrap();
        got.extend_from_slice(&piece[..read]);
    }
    drop(stream);
    let (rest, ended_well) = read_to_end(&mut client);
    assert_eq!((rest, ended_well), (Vec::new(), false));
}

#[test]
fn departed_client_cancels_its_request() {
    let upstream = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = upstream.local_addr().unwrap();
    let proxy = Proxy::start(&format!(
        "error_log error.log info; events {{ }} http {{ access_log access.log; \
         server {{ listen {{listen}}; location / {{ proxy_pass http://{address}; }} }} }}"
    ));
    let mut client = proxy.connect();
    client.write_all(GET).unwrap();
    let (mut stream, _) = upstream.accept().unwrap();
    stream.set_read_timeout(Some(STUCK)).unwrap();
    let read = read_some(&mut stream, &mut [0; 1000]).unwrap();
    assert!(read > 0);
    drop(client);
    assert_eq!(read_some(&mut stream, &mut [0; 1000]).unwrap_or(0), 0, "the upstream is let go");
    let log = wait_until("the access log", || Some(proxy.read("access.log")).filter(|log| log.ends_with('\n')));
    assert!(log.contains("\"GET / HTTP/1.1\" 499 0 "), "{log}");
}

#[test]
fn truncated_body_is_never_forwarded_as_complete() {
    for start in [super::plain_proxy, super::streaming_proxy] {
        let upstream = Upstream::start(Vec::new());
        send_half_bodies(&start(&upstream), &upstream);
    }
}

fn send_half_bodies(proxy: &Proxy, upstream: &Upstream) {
    for (head, sent) in
        [("Content-Length: 10", 5), ("Content-Length: 100000", 50_000), ("Transfer-Encoding: chunked", 50_000)]
    {
        let mut client = proxy.connect();
        write!(client, "POST / HTTP/1.1\r\nHost: example.org\r\n{head}\r\n\r\n").unwrap();
        if head.contains("chunked") {
            write!(client, "{sent:x}\r\n").unwrap();
        }
        client.write_all(&vec![b'a'; sent]).unwrap();
        client.shutdown(Shutdown::Both).unwrap();
    }
    wait_until("the requests' ends", || {
        Some(proxy.read("access.log")).filter(|log| log.lines().filter(|line| *line == "499").count() == 3)
    });
    for received in upstream.received() {
        let received = String::from_utf8_lossy(&received).into_owned();
        assert!(!received.ends_with("0\r\n\r\n") && !received.contains("Content-Length: 10\r\n"), "{received}");
    }
}

#[test]
fn malformed_body_is_never_terminated() {
    let upstream = Upstream::start(Vec::new());
    let proxy = super::streaming_proxy(&upstream);
    let head = b"POST / HTTP/1.1\r\nHost: example.org\r\nTransfer-Encoding: chunked\r\n\r\n4e20\r\n";
    let got = proxy.converse(&[&head[..], &[b'a'; 20_000], b"\r\n+5\r\nhello\r\n0\r\n\r\n"].concat());
    let got = String::from_utf8(got).unwrap();
    assert!(got.starts_with("HTTP/1.1 400 ") && got.matches("HTTP/1.1").count() == 1, "{got}");
    let received = String::from_utf8(upstream.received().concat()).unwrap();
    assert!(!received.contains("hello") && !received.ends_with("0\r\n\r\n"), "{received}");
}

#[test]
fn slow_clients_and_upstreams_time_out() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = Proxy::start(&format!(
        "events {{ }} http {{ client_header_timeout 30ms; client_body_timeout 30ms; keepalive_timeout 30ms; \
         server {{ listen {{listen}}; location / {{ proxy_pass http://{}; proxy_read_timeout 30ms; }} }} }}",
        silent.local_addr().unwrap()
    ));
    for (sent, expected) in [
        (&b""[..], ""),
        (b"GET / HTTP/1.1\r\nHost: ", "HTTP/1.1 408 Request Time-out\r\n"),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhel", "HTTP/1.1 408 Request Time-out\r\n"),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 50000\r\n\r\nhel", "HTTP/1.1 408 Request Time-out\r\n"),
        (GET, "HTTP/1.1 504 Gateway Time-out\r\n"),
    ] {
        let got = String::from_utf8(proxy.converse(sent)).unwrap();
        assert!(got.starts_with(expected) && got.is_empty() == expected.is_empty(), "{got}");
    }
}

#[test]
fn idle_and_unreading_clients_do_not_block_others() {
    let large = [&b"HTTP/1.1 200 OK\r\nContent-Length: 20000000\r\n\r\n"[..], &vec![b'a'; 20_000_000]].concat();
    let upstream = Upstream::start(vec![response(&large, End::KeepOpen)]);
    let proxy = super::plain_proxy(&upstream);
    let mut unreading = proxy.connect();
    unreading.write_all(GET).unwrap();
    wait_until("a request at the upstream", || !upstream.received().concat().is_empty());
    let mut idle: Vec<TcpStream> = (0..200).map(|_| proxy.connect()).collect();
    for _ in 0..20 {
        let got = proxy.converse(b"GET / HTTP/1.1\r\nHost: example.org\r\nConnection: close\r\n\r\n");
        assert!(got.ends_with(b"legit"));
    }
    let late = idle.last_mut().unwrap();
    late.write_all(GET).unwrap();
    assert!(read_answer(late).ends_with("legit"));
}

#[test]
fn large_bodies_flow_both_ways_at_once() {
    // an upstream that echoes as it reads: a proxy that reads everything before it writes would deadlock
    let upstream = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = upstream.local_addr().unwrap();
    let size = 8_000_000;
    std::thread::spawn(move || {
        let (mut stream, _) = upstream.accept().unwrap();
        let mut received = Vec::new();
        let mut piece = vec![0; 60_000];
        while !received.windows(4).any(|window| window == b"\r\n\r\n") {
            let read = read_some(&mut stream, &mut piece).unwrap();
            received.extend_from_slice(&piece[..read]);
        }
        let body = received.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
        write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n").unwrap();
        stream.write_all(&received[body..]).unwrap();
        let mut left = size - (received.len() - body);
        while left > 0 {
            let read = read_some(&mut stream, &mut piece).unwrap();
            stream.write_all(&piece[..read]).unwrap();
            left -= read;
        }
    });
    let proxy = Proxy::start(&format!(
        "events {{ }} http {{ client_max_body_size 0; proxy_request_buffering off; \
         server {{ listen {{listen}}; location / {{ proxy_pass http://{address}; }} }} }}"
    ));
    let body: Vec<u8> = (0..size).map(|index| (index % 251) as u8).collect();
    let mut client = proxy.connect();
    let mut writing = client.try_clone().unwrap();
    let sent = body.clone();
    let writer = std::thread::spawn(move || {
        write!(writing, "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {size}\r\n\r\n").unwrap();
        writing.write_all(&sent).unwrap();
    });
    let (got, ended_well) = read_to_end(&mut client);
    writer.join().unwrap();
    assert!(ended_well && got.ends_with(&body), "{} bytes", got.len());
}

#[test]
fn early_response_closes_the_connection() {
    let refused = b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno";
    let upstream = Upstream::start(vec![UpstreamResponse { bytes: refused.to_vec(), is_early: true, end: End::Close }]);
    let proxy = super::streaming_proxy(&upstream);
    let head = b"POST / HTTP/1.1\r\nHost: example.org\r\nContent-Length: 900000\r\n\r\n";
    let got = String::from_utf8(proxy.converse(&[&head[..], &[b'a'; 500_000]].concat())).unwrap();
    assert!(got.starts_with("HTTP/1.1 413 Too Large\r\n"), "{got}");
    assert!(got.ends_with("\r\nConnection: close\r\n\r\nno"), "{got}");
}

#[test]
fn truncated_small_response_never_looks_complete() {
    let half = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello";
    let upstream = Upstream::start(vec![response(half, End::Close)]);
    let proxy = super::plain_proxy(&upstream);
    let mut client = proxy.connect();
    client.write_all(b"GET / HTTP/1.1\r\nHost: example.org\r\nConnection: close\r\n\r\n").unwrap();
    let (got, _) = read_to_end(&mut client);
    let got = String::from_utf8(got).unwrap();
    // which of the two it is depends on when the end was noticed
    let is_told = got.starts_with("HTTP/1.1 502 ");
    let is_short = got.contains("\r\nContent-Length: 10\r\n") && got.ends_with("\r\n\r\nhello");
    assert!(is_told || is_short, "{got}");
}
