//! Connections of HTTP/2 over time: flow control, time limits, reloads, and clients that give up.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;

use super::frames::{self, Frame, PREFACE};
use crate::proxy::certificates;
use crate::proxy::running::{Program, Proxy};
use crate::support::{requires, wait_until};

/// A client of the proxy.
struct Client {
    stream: TcpStream,
}

impl Client {
    /// Connects, with values for SETTINGS by their numbers.
    fn connect(proxy: &Proxy, settings: &[(u16, u32)]) -> Client {
        let stream = proxy.connect();
        let values = settings.iter().flat_map(|(id, value)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat());
        let mut client = Client { stream };
        client.stream.write_all(PREFACE).unwrap();
        client.send(&Frame::new(frames::SETTINGS, 0, 0, values.collect::<Vec<u8>>()));
        client
    }

    fn send(&mut self, frame: &Frame) {
        self.stream.write_all(&frame.bytes()).unwrap();
    }

    /// Reads until a frame is wanted, and responds to SETTINGS and PING.
    fn read(&mut self, what: &str, is_wanted: impl Fn(&Frame) -> bool) -> Frame {
        loop {
            let frame = Frame::read(&mut self.stream).unwrap_or_else(|error| panic!("no {what}: {error}"));
            if matches!(frame.kind, frames::SETTINGS | frames::PING) && !frame.has(frames::END) {
                let payload = if frame.kind == frames::PING { frame.payload.clone() } else { Vec::new() };
                self.send(&Frame::new(frame.kind, frames::END, 0, payload));
            }
            if is_wanted(&frame) {
                return frame;
            }
        }
    }

    fn read_end_of(&mut self, stream: u32) {
        let is_end = |frame: &Frame| frame.stream == stream && frame.kind < 2 && frame.has(frames::END);
        self.read("end of the stream", is_end);
    }

    fn read_goaway(&mut self) -> &'static str {
        self.read("GOAWAY", |frame| frame.kind == frames::GOAWAY).error()
    }
}

fn start(server: &str) -> Proxy {
    Proxy::start(&format!(
        "daemon off; worker_processes 1; pid pid; error_log error.log info; events {{ }}\n\
         http {{ log_format short '$status $request $http2'; access_log access.log short;\n\
         server {{ listen {{listen}} http2; root {{folder}}; {server} }} }}\n"
    ))
}

/// The initial window of streams, by its number.
const INITIAL_WINDOW: u16 = 4;

#[test]
fn slow_stream_holds_up_no_other() {
    let proxy = start("");
    std::fs::write(proxy.path().join("large"), vec![b'x'; 1 << 20]).unwrap();
    std::fs::write(proxy.path().join("small"), "ok").unwrap();
    let mut client = Client::connect(&proxy, &[(INITIAL_WINDOW, 100)]);
    client.send(&Frame::headers(frames::END, 1, &frames::pseudo_fields("GET", "/large")));
    let first = client.read("content", |frame| frame.kind == frames::DATA);
    assert_eq!((first.stream, first.payload.len()), (1, 100));
    for stream in [3, 5, 7] {
        client.send(&Frame::headers(frames::END, stream, &frames::pseudo_fields("GET", "/small")));
        client.read_end_of(stream);
    }
    client.send(&Frame::new(frames::WINDOW_UPDATE, 0, 1, (1_u32 << 20).to_be_bytes()));
    client.send(&Frame::new(frames::WINDOW_UPDATE, 0, 0, (1_u32 << 20).to_be_bytes()));
    client.read_end_of(1);
}

#[test]
fn request_body_waits_for_its_upstream() {
    let upstream = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = upstream.local_addr().unwrap();
    let proxy = start(&format!(
        "client_max_body_size 0; location / {{ proxy_pass http://{address}; proxy_request_buffering off; \
         proxy_http_version 1.1; }}"
    ));
    let mut client = Client::connect(&proxy, &[]);
    client.send(&Frame::headers(0, 1, &frames::pseudo_fields("POST", "/")));
    let (_stream, _) = upstream.accept().unwrap();
    client.stream.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
    // what the client may send: the stream's first window, and what is granted while the upstream reads nothing
    let mut window = 64 * 1024;
    let mut sent = 0;
    loop {
        while sent < window {
            let length = (window - sent).min(16 * 1024);
            client.send(&Frame::new(frames::DATA, 0, 1, vec![b'x'; length]));
            sent += length;
            assert!(sent < 64 << 20, "the proxy reads a body that nobody takes");
        }
        match Frame::read(&mut client.stream) {
            Ok(frame) if frame.kind == frames::WINDOW_UPDATE && frame.stream == 1 => {
                window += u32::from_be_bytes(frame.payload.try_into().unwrap()) as usize;
            }
            Ok(_) => {}
            // no window is left, and none comes
            Err(_) => break,
        }
    }
    assert!(sent >= 64 * 1024);
}

/// A proxy whose upstream responds when the test wants, with a request on its way.
fn with_waiting_request() -> (Proxy, Client, TcpStream) {
    let upstream = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = upstream.local_addr().unwrap();
    let proxy = start(&format!("location / {{ proxy_pass http://{address}; }}"));
    let mut client = Client::connect(&proxy, &[]);
    client.send(&Frame::get(1));
    let (mut stream, _) = upstream.accept().unwrap();
    let mut received = Vec::new();
    while !received.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        received.push(byte[0]);
    }
    (proxy, client, stream)
}

const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

#[test]
fn quitting_proxy_finishes_its_streams() {
    let (mut proxy, mut client, mut upstream) = with_waiting_request();
    proxy.signal(Signal::QUIT);
    assert_eq!(client.read_goaway(), "NO_ERROR");
    // a request that crossed the announcement is served as well
    upstream.write_all(RESPONSE).unwrap();
    client.read_end_of(1);
    assert!(proxy.wait().success());
}

#[test]
fn reloaded_proxy_finishes_its_streams() {
    let (proxy, mut client, mut upstream) = with_waiting_request();
    proxy.signal(Signal::HUP);
    assert_eq!(client.read_goaway(), "NO_ERROR");
    upstream.write_all(RESPONSE).unwrap();
    client.read_end_of(1);
    Client::connect(&proxy, &[]).send(&Frame::get(1));
}

#[test]
fn broken_response_resets_its_stream() {
    let (_proxy, mut client, mut upstream) = with_waiting_request();
    upstream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello").unwrap();
    assert_eq!(client.read("content", |frame| frame.kind == frames::DATA).payload, b"hello");
    drop(upstream);
    let reset = client.read("reset", |frame| frame.kind == frames::RST_STREAM);
    assert_eq!((reset.stream, reset.error()), (1, "INTERNAL_ERROR"));
}

#[test]
fn cancelled_request_ends_at_the_upstream() {
    let (proxy, mut client, mut upstream) = with_waiting_request();
    client.send(&Frame::new(frames::RST_STREAM, 0, 1, frames::error_code("CANCEL").to_be_bytes()));
    assert_eq!(upstream.read(&mut [0]).unwrap(), 0, "the upstream's connection is closed");
    wait_until("the access log", || (proxy.read("access.log") == "499 GET / HTTP/2.0 h2c\n").then_some(()));
}

#[test]
fn closed_connection_ends_its_requests() {
    let (proxy, client, mut upstream) = with_waiting_request();
    drop(client);
    assert_eq!(upstream.read(&mut [0]).unwrap(), 0, "the upstream's connection is closed");
    wait_until("the access log", || (proxy.read("access.log") == "499 GET / HTTP/2.0 h2c\n").then_some(()));
}

#[test]
fn idle_connection_is_closed() {
    let proxy = start("keepalive_timeout 1s; location / { return 204; }");
    let mut client = Client::connect(&proxy, &[]);
    client.send(&Frame::get(1));
    client.read_end_of(1);
    assert_eq!(client.read_goaway(), "NO_ERROR");
    while Frame::read(&mut client.stream).is_ok() {}
}

#[test]
fn silent_client_is_disconnected() {
    let proxy = start("client_header_timeout 1s;");
    let mut silent = proxy.connect();
    assert_eq!(silent.read(&mut [0]).unwrap(), 0);
    let mut client = Client::connect(&proxy, &[]);
    assert_eq!(client.read_goaway(), "NO_ERROR");
}

#[test]
fn pings_do_not_keep_a_connection_open() {
    let proxy = start("keepalive_timeout 1s; location / { return 204; }");
    let mut client = Client::connect(&proxy, &[]);
    client.send(&Frame::get(1));
    client.read_end_of(1);
    let ping = Frame::new(frames::PING, 0, 0, [1; 8]);
    client.send(&ping);
    loop {
        match Frame::read(&mut client.stream) {
            Ok(frame) if frame.kind == frames::GOAWAY => break,
            // the next one as soon as this one is confirmed
            Ok(frame) if frame.kind == frames::PING && frame.has(frames::END) => client.send(&ping),
            Ok(_) => {}
            Err(error) => panic!("no GOAWAY: {error}"),
        }
    }
}

#[test]
fn unread_response_times_out() {
    let proxy = start("send_timeout 1s;");
    std::fs::write(proxy.path().join("large"), vec![b'x'; 1 << 20]).unwrap();
    let mut client = Client::connect(&proxy, &[(INITIAL_WINDOW, 100)]);
    client.send(&Frame::headers(frames::END, 1, &frames::pseudo_fields("GET", "/large")));
    let reset = client.read("reset", |frame| frame.kind == frames::RST_STREAM);
    assert_eq!(reset.stream, 1);
    client.send(&Frame::headers(frames::END, 3, &frames::pseudo_fields("HEAD", "/large")));
    client.read_end_of(3);
}

#[test]
fn missing_body_times_out() {
    let proxy = start("client_body_timeout 1s; location / { proxy_pass http://127.0.0.1:1; }");
    let mut client = Client::connect(&proxy, &[]);
    client.send(&Frame::headers(0, 1, &frames::pseudo_fields("POST", "/")));
    client.read_end_of(1);
    wait_until("the access log", || (proxy.read("access.log") == "408 POST / HTTP/2.0 h2c\n").then_some(()));
}

/// nginx has the directive since 1.25.1, and lab behaves like an earlier version unless it is told.
#[test]
fn first_bytes_decide_with_the_http2_directive() {
    let configuration = "daemon off; pid pid; events { }\n\
                         http { access_log off; http2 on; server { listen {listen}; return 200 \"$server_protocol\"; } }\n";
    for program in [Program::Lab, Program::LabOfVersion("1.25.1")] {
        let proxy = Proxy::start_as(program, configuration, |_, _| ());
        let got = proxy.converse(b"GET / HTTP/1.1\r\nHost: example.org\r\nConnection: close\r\n\r\n");
        assert!(String::from_utf8_lossy(&got).ends_with("HTTP/1.1"), "{}", String::from_utf8_lossy(&got));
        // the first letter of the preface is that of POST, too
        let mut slow = proxy.connect();
        slow.write_all(b"P").unwrap();
        let mut client = Client::connect(&proxy, &[]);
        client.send(&Frame::get(1));
        assert_eq!(client.read("content", |frame| frame.kind == frames::DATA).payload, b"HTTP/2.0");
        slow.write_all(b"OST / HTTP/1.1\r\nHost: example.org\r\nConnection: close\r\n\r\n").unwrap();
        let mut response = String::new();
        slow.read_to_string(&mut response).unwrap();
        assert!(response.ends_with("HTTP/1.1"), "{response}");
    }
}

#[test]
fn http3_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("nginx.conf");
    for (server, expected) in [
        ("listen 1 quic;", "HTTP/3 in \"listen\" directive is not supported"),
        ("listen 1; http3 on;", "HTTP/3 is not supported"),
    ] {
        std::fs::write(&file, format!("events {{ }} http {{ server {{ {server} }} }}")).unwrap();
        let mut lab = Command::new(env!("CARGO_BIN_EXE_lab"));
        let output = lab.args(["proxy", "-t", "-c"]).arg(&file).output().unwrap();
        let message = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && message.contains(expected), "{message}");
    }
}

#[test]
fn h2load_gets_all_responses() {
    requires!(H2load);
    for tls in [false, true] {
        let configuration = format!(
            "daemon off; events {{ }} http {{ access_log off; server {{ listen {{listen}} {} http2; \
             ssl_certificate rsa.pem; ssl_certificate_key rsa.key; keepalive_requests 10000; \
             location / {{ return 200 \"{}\"; }} }} }}",
            if tls { "ssl" } else { "" },
            "x".repeat(1000)
        );
        let proxy = Proxy::start_as(Program::Lab, &configuration, |folder, _| certificates::write_to(folder));
        let scheme = if tls { "https" } else { "http" };
        let mut h2load = Command::new("h2load");
        let output = h2load.args(["-n", "2000", "-c", "4", "-m", "10"]).arg(format!("{scheme}://{}/", proxy.address));
        let printed = String::from_utf8(output.output().unwrap().stdout).unwrap();
        assert!(printed.contains("2000 succeeded"), "{printed}");
    }
}
