//! `limit_conn` and `limit_req` with several connections at a time.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

use super::running::Proxy;

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

fn status(stream: &mut TcpStream) -> String {
    let mut got = String::new();
    stream.read_to_string(&mut got).expect("a response");
    got.split(' ').nth(1).expect("a status").to_owned()
}

/// Accepts the proxy's connection, and reads the request.
fn accept(upstream: &TcpListener) -> TcpStream {
    let (mut stream, _) = upstream.accept().expect("the proxy connects");
    let mut got = Vec::new();
    let mut piece = [0; 1024];
    while !got.ends_with(b"\r\n\r\n") {
        let read = stream.read(&mut piece).expect("a request");
        got.extend_from_slice(&piece[..read]);
    }
    stream
}

#[test]
fn requests_at_a_time_are_limited() {
    let upstream = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = upstream.local_addr().expect("an address");
    let proxy = Proxy::start(&format!(
        "events {{ }} error_log error.log;\n\
         http {{ limit_conn_zone $binary_remote_addr zone=one:1m; limit_conn_status 429;\n\
         server {{ listen {{listen}}; location / {{ limit_conn one 1; proxy_pass http://{address}; }} }} }}"
    ));
    let mut first = proxy.connect();
    first.write_all(REQUEST).expect("sent");
    let mut held = accept(&upstream);
    let mut second = proxy.connect();
    second.write_all(REQUEST).expect("sent");
    assert_eq!(status(&mut second), "429");
    held.write_all(RESPONSE).expect("sent");
    assert_eq!(status(&mut first), "200");
    // the place is free again
    let mut third = proxy.connect();
    third.write_all(REQUEST).expect("sent");
    accept(&upstream).write_all(RESPONSE).expect("sent");
    assert_eq!(status(&mut third), "200");
    assert!(proxy.read("error.log").contains("limiting connections by zone \"one\""), "{}", proxy.read("error.log"));
}

#[test]
fn workers_share_the_zones() {
    let proxy = Proxy::start(
        "worker_processes 2; events { } error_log error.log;\n\
         http { limit_req_zone $binary_remote_addr zone=one:1m rate=1r/m;\n\
         server { listen {listen}; location / { limit_req zone=one burst=2 nodelay; root .; index none; } } }",
    );
    let mut streams: Vec<TcpStream> = (0..12).map(|_| proxy.connect()).collect();
    for stream in &mut streams {
        stream.write_all(REQUEST).expect("sent");
    }
    let statuses: Vec<String> = streams.iter_mut().map(status).collect();
    let refused = statuses.iter().filter(|status| *status == "503").count();
    assert_eq!(refused, 9, "{statuses:?}");
}

/// A reload keeps the state of a zone that has not changed.
#[test]
fn reload_keeps_the_zones() {
    let proxy = Proxy::start(
        "events { } error_log error.log notice;\n\
         http { limit_req_zone $binary_remote_addr zone=one:1m rate=1r/m;\n\
         server { listen {listen}; location / { limit_req zone=one; root .; index none; } } }",
    );
    let request = || {
        let mut stream = proxy.connect();
        stream.write_all(REQUEST).expect("sent");
        status(&mut stream)
    };
    assert_ne!(request(), "503");
    proxy.signal(rustix::process::Signal::HUP);
    crate::support::wait_until("the new workers", || {
        (proxy.read("error.log").matches("start worker threads").count() == 2).then_some(())
    });
    assert_eq!(request(), "503");
}
