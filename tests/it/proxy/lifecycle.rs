//! Signals, the pid file and the sockets.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;

use rustix::process::Signal;

use super::running::{Proxy, STUCK, read_some, read_to_end};
use super::upstream::Upstream;
use crate::support::wait_until;

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n";

/// A proxy with one request in flight: the client's end, and the upstream's.
fn in_flight(workers: usize) -> (Proxy, TcpStream, TcpStream) {
    let upstream = TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = Proxy::start(&format!(
        "worker_processes {workers}; pid pid; error_log error.log; events {{ }} \
         http {{ server {{ listen {{listen}}; location / {{ proxy_pass http://{}; }} }} }}",
        upstream.local_addr().unwrap()
    ));
    let mut client = proxy.connect();
    client.write_all(GET).unwrap();
    let (mut stream, _) = upstream.accept().unwrap();
    stream.set_read_timeout(Some(STUCK)).unwrap();
    assert!(read_some(&mut stream, &mut [0; 1000]).unwrap() > 0);
    (proxy, client, stream)
}

#[test]
fn sigquit_finishes_requests_and_accepts_none() {
    let (mut proxy, mut client, mut upstream) = in_flight(2);
    let mut idle = proxy.connect();
    let pid = proxy.read("pid");
    assert!(pid.trim().parse::<u32>().is_ok(), "{pid:?}");
    proxy.signal(Signal::QUIT);
    // an idle connection is closed, and so are the listening sockets
    assert_eq!(read_to_end(&mut idle).0, b"");
    wait_until("the port to be closed", || TcpStream::connect(proxy.address).is_err());
    upstream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate").unwrap();
    let (got, ended_well) = read_to_end(&mut client);
    let got = String::from_utf8(got).unwrap();
    assert!(ended_well && got.ends_with("\r\nConnection: close\r\n\r\nlate"), "{got}");
    assert!(proxy.wait().success());
    assert!(!proxy.path().join("pid").exists());
}

#[test]
fn sigterm_ends_at_once() {
    for signal in [Signal::TERM, Signal::INT] {
        let (mut proxy, mut client, _upstream) = in_flight(1);
        proxy.signal(signal);
        assert!(proxy.wait().success());
        assert_eq!(read_to_end(&mut client).0, b"");
        assert!(!proxy.path().join("pid").exists());
    }
}

#[test]
fn sigterm_cuts_a_slow_quit_short() {
    let (mut proxy, _client, _upstream) = in_flight(2);
    proxy.signal(Signal::QUIT);
    wait_until("the port to be closed", || TcpStream::connect(proxy.address).is_err());
    proxy.signal(Signal::TERM);
    assert!(proxy.wait().success());
}

#[test]
fn occupied_port_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    // the socket the proxy inherits is not for this address
    let mut proxy = Proxy::start(&format!("events {{ }} http {{ server {{ listen {address}; }} }}"));
    assert_eq!(proxy.wait().code(), Some(3));
    let why = std::io::Error::from_raw_os_error(rustix::io::Errno::ADDRINUSE.raw_os_error());
    assert_eq!(proxy.read("stderr"), format!("lab proxy: bind() to {address} failed: {why}\n"));
}

#[test]
fn unix_socket_clients_have_no_address() {
    let upstream = Upstream::start(Vec::new());
    let mut proxy = Proxy::start(&format!(
        "pid pid; events {{ }} http {{ log_format who '$remote_addr|$remote_port|$server_port'; access_log access.log who; \
         server {{ listen unix:{{folder}}/socket; location / {{ proxy_pass http://{}; \
         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; }} }} }}",
        upstream.address
    ));
    let path = proxy.path().join("socket");
    let mut stream = wait_until("the socket", || UnixStream::connect(&path).ok());
    stream.set_read_timeout(Some(STUCK)).unwrap();
    stream.write_all(b"GET / HTTP/1.0\r\nX-Forwarded-For: 1.2.3.4\r\n\r\n").unwrap();
    let mut got = String::new();
    stream.read_to_string(&mut got).unwrap();
    assert!(got.starts_with("HTTP/1.1 200 OK\r\n") && got.ends_with("legit"), "{got}");
    let received = String::from_utf8(upstream.received().concat()).unwrap();
    assert!(received.contains("X-Forwarded-For: 1.2.3.4, unix:\r\n"), "{received}");
    let log = wait_until("the access log", || Some(proxy.read("access.log")).filter(|log| log.ends_with('\n')));
    assert_eq!(log, "unix:||\n");
    proxy.signal(Signal::QUIT);
    assert!(proxy.wait().success());
    assert!(!path.exists());
}
