//! Clients that send all of a request before they read the response.

use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::time::{Duration, Instant};

use super::case::{End, UpstreamResponse};
use super::running::{Program, Proxy, STUCK, read_to_end};
use super::upstream::Upstream;
use crate::support::{requires, wait_until};

const POST: &str = "POST / HTTP/1.1\r\nHost: example.org\r\nConnection: close\r\n";

/// More bytes than the buffers of two sockets hold.
const LARGE: usize = 30_000_000;

fn start(program: Program, location: &str) -> (Upstream, Proxy) {
    let upstream = Upstream::start(Vec::new());
    let proxy = Proxy::start_as(program, &super::configuration("", None, location, &upstream), |_, _| ());
    (upstream, proxy)
}

/// Sends a head and a body to its last byte, and only then reads.
fn send_then_read(proxy: &Proxy, head: &str, body: &[u8]) -> (String, bool) {
    let mut client = proxy.connect();
    client.write_all(head.as_bytes()).expect("the proxy reads");
    client.write_all(body).expect("the proxy reads to the end");
    let (got, ended_well) = read_to_end(&mut client);
    (String::from_utf8_lossy(&got).into_owned(), ended_well)
}

fn refused_upload_is_drained(program: Program) {
    let size = LARGE;
    let sized = format!("{POST}Content-Length: {size}\r\n\r\n");
    let chunked = format!("{POST}Transfer-Encoding: chunked\r\n\r\n{size:x}\r\n");
    let body = [&vec![b'a'; size][..], b"\r\n0\r\n\r\n"].concat();
    for location in [
        "client_max_body_size 1k;",
        "client_max_body_size 0; return 403;",
        "client_max_body_size 1k; proxy_request_buffering off;",
    ] {
        let (_upstream, proxy) = start(program, location);
        let status = if location.contains("403") { "403" } else { "413" };
        for (head, length) in [(&sized, size), (&chunked, body.len())] {
            let (got, ended_well) = send_then_read(&proxy, head, &body[..length]);
            assert!(got.starts_with(&format!("HTTP/1.1 {status} ")), "{program:?}, {location} {head}: {got}");
            assert!(got.ends_with("</html>\r\n") && ended_well, "{program:?}, {location} {head}: {got}");
        }
    }
}

#[test]
fn refused_upload_is_drained_by_lab() {
    refused_upload_is_drained(Program::Lab);
}

#[test]
fn refused_upload_is_drained_by_nginx() {
    requires!(Nginx);
    refused_upload_is_drained(Program::Nginx);
}

#[test]
fn malformed_request_is_drained() {
    let (_upstream, proxy) = start(Program::Lab, "");
    let head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n";
    let (got, ended_well) = send_then_read(&proxy, head, &vec![b'a'; LARGE]);
    assert!(got.starts_with("HTTP/1.1 400 ") && ended_well, "{got}");
}

#[test]
fn last_response_survives_further_requests() {
    // the client does not know that its first request is the connection's last
    let (_upstream, proxy) = start(Program::Lab, "keepalive_requests 1; client_max_body_size 0;");
    let pipelined = format!("GET / HTTP/1.1\r\nHost: example.org\r\n\r\n{POST}Content-Length: {LARGE}\r\n\r\n");
    let (got, ended_well) = send_then_read(&proxy, &pipelined, &vec![b'a'; LARGE]);
    assert!(got.starts_with("HTTP/1.1 200 ") && got.ends_with("legit") && ended_well, "{got}");
}

/// The open descriptors of the proxy.
fn descriptors(proxy: &Proxy) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", proxy.id())).expect("a folder").count()
}

/// How long the proxy reads on after a 413, from a client that goes on sending or does not.
fn lingers_for(limits: &str, is_sending: bool) -> Duration {
    let (_upstream, proxy) = start(Program::Lab, &format!("client_max_body_size 1k; {limits}"));
    assert!(proxy.converse(b"GET / HTTP/1.0\r\nHost: a\r\n\r\n").ends_with(b"legit"));
    wait_until("the connection to close", || proxy.read("access.log").contains("200"));
    let before = descriptors(&proxy);
    let mut client = proxy.connect();
    write!(client, "{POST}Content-Length: 4000000\r\n\r\n").expect("the proxy reads");
    let mut got = Vec::new();
    client.read_to_end(&mut got).expect("the response");
    assert!(got.starts_with(b"HTTP/1.1 413 "), "{}", String::from_utf8_lossy(&got));
    let begun = Instant::now();
    wait_until("the connection to close", || {
        if is_sending {
            // a closed connection refuses it
            _ = client.write_all(b"a");
        }
        descriptors(&proxy) <= before
    });
    begun.elapsed()
}

#[test]
fn lingering_ends_after_its_limits() {
    // no byte for `lingering_timeout`
    let silent = lingers_for("lingering_timeout 50ms;", false);
    assert!(silent < STUCK / 10, "{silent:?}");
    // bytes arrive, but not for longer than `lingering_time`
    let sending = lingers_for("lingering_time 300ms;", true);
    assert!(sending >= Duration::from_millis(250) && sending < STUCK / 4, "{sending:?}");
}

#[test]
fn client_that_ends_is_let_go_at_once() {
    let (_upstream, proxy) = start(Program::Lab, "client_max_body_size 1k; lingering_timeout 60s; lingering_time 60s;");
    assert!(proxy.converse(b"GET / HTTP/1.0\r\nHost: a\r\n\r\n").ends_with(b"legit"));
    let before = descriptors(&proxy);
    let mut client = proxy.connect();
    write!(client, "{POST}Content-Length: 4000000\r\n\r\nhalf").expect("the proxy reads");
    client.shutdown(Shutdown::Write).expect("a socket");
    assert!(read_to_end(&mut client).0.starts_with(b"HTTP/1.1 413 "));
    wait_until("the connection to close", || descriptors(&proxy) <= before);
}

#[test]
fn large_error_page_reaches_a_client_that_sends_first() {
    let size = 20_000_000;
    let page = [format!("HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n").as_bytes(), &vec![b'p'; size]].concat();
    let proxied =
        "location / { proxy_pass http://app; error_page 413 /page; } location /page { proxy_pass http://app; }";
    let local = "root files; location / { proxy_pass http://app; error_page 413 /page; } location = /page { }";
    for server in [proxied, local] {
        let upstream =
            Upstream::start(vec![UpstreamResponse { bytes: page.clone(), end: End::KeepOpen, is_early: false }]);
        let configuration = super::configuration("client_max_body_size 1k;", Some(server), "", &upstream);
        let proxy = Proxy::start_as(Program::Lab, &configuration, |folder, _| {
            std::fs::create_dir(folder.join("files")).expect("a folder");
            std::fs::write(folder.join("files/page"), vec![b'p'; size]).expect("a file");
        });
        let head = format!("{POST}Content-Length: {size}\r\n\r\n");
        let (got, ended_well) = send_then_read(&proxy, &head, &vec![b'a'; size]);
        assert!(got.starts_with("HTTP/1.1 413 ") && ended_well, "{}", &got[..300.min(got.len())]);
        assert!(got.len() > size && got.ends_with("ppp"), "{} bytes", got.len());
    }
}
