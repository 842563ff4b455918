//! Many clients that want nothing, or take their time, beside one that does not.

use std::io::Write as _;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use rustix::process::{Resource, getrlimit, setrlimit};

use super::case::{End, UpstreamResponse};
use super::running::{Proxy, read_to_end};
use super::upstream::Upstream;
use crate::support::{skip, wait_until};

const IDLE: usize = 10_000;
const SLOW: usize = 1_000;
const UNREADING: usize = 4;

/// Lets this process, and those that it starts, open `count` files. Skips the test where that is not allowed.
pub(super) fn allow_descriptors(count: usize) -> bool {
    let needed = count as u64;
    let mut limit = getrlimit(Resource::Nofile);
    if limit.maximum.is_some_and(|maximum| maximum < needed) {
        skip(&format!("{needed} descriptors are needed, and {:?} allowed", limit.maximum));
        return false;
    }
    limit.current = limit.current.map(|current| current.max(needed));
    setrlimit(Resource::Nofile, limit).unwrap();
    true
}

/// Sends `count` requests one after the other. Returns the longest duration.
fn longest_of(proxy: &Proxy, count: usize) -> Duration {
    let send_request = |_| {
        let begun = Instant::now();
        let mut stream = proxy.connect();
        stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
        let (got, _) = read_to_end(&mut stream);
        let start = String::from_utf8_lossy(&got[..got.len().min(1_000)]);
        assert!(got.ends_with(b"legit"), "{} bytes, which start with {start}", got.len());
        begun.elapsed()
    };
    (0..count).map(send_request).max().unwrap_or_default()
}

#[test]
fn unreading_clients_leave_turns_to_others() {
    let size = 60_000_000;
    let large = [format!("HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n").as_bytes(), &vec![b'a'; size]].concat();
    let large = UpstreamResponse { bytes: large, is_early: false, end: End::Close };
    let upstream = Upstream::start(vec![large; UNREADING]);
    let proxy = Proxy::start(&format!(
        "worker_processes 1; events {{ }} http {{ upstream app {{ server {}; keepalive 4; }} \
         server {{ listen {{listen}}; location / {{ proxy_pass http://app; }} }} }}",
        upstream.address
    ));
    let unreading: Vec<TcpStream> = (0..UNREADING).map(|_| proxy.connect()).collect();
    for mut client in &unreading {
        client.write_all(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    }
    wait_until("each client to have its large response", || upstream.responses_left() == 0);
    let mut served = 0;
    // the upstream sends as fast as the proxy reads, and the proxy does nothing but move bytes to files
    while upstream.ended() < UNREADING {
        longest_of(&proxy, 1);
        served += 1;
    }
    // a request needs several turns, and a turn of megabytes for each of these clients leaves three or four in all
    assert!(served >= 10, "only {served} requests were served meanwhile");
}

#[test]
fn thousand_slow_clients_do_not_block_others() {
    // both ends of the connections, one in each process
    if !allow_descriptors(IDLE + SLOW + 1_000) {
        return;
    }

    let large = [&b"HTTP/1.1 200 OK\r\nContent-Length: 30000000\r\n\r\n"[..], &vec![b'a'; 30_000_000]].concat();
    let large = UpstreamResponse { bytes: large, is_early: false, end: End::KeepOpen };
    let upstream = Upstream::start(vec![large; UNREADING]);
    let proxy = Proxy::start(&format!(
        "worker_processes 1; events {{ worker_connections 20000; }} http {{ upstream app {{ server {}; keepalive 4; }} \
         server {{ listen {{listen}} backlog=4096; location / {{ proxy_pass http://app; }} }} }}",
        upstream.address
    ));
    let mut crowd: Vec<TcpStream> = Vec::new();
    for _ in 0..UNREADING {
        let mut unreading = proxy.connect();
        unreading.write_all(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        crowd.push(unreading);
    }
    // an upstream connection is accepted before its request arrives: a later request could take a large response
    wait_until("each client to have its large response", || upstream.responses_left() == 0);
    let alone = longest_of(&proxy, 100);
    for _ in 0..SLOW {
        let mut slow = proxy.connect();
        slow.write_all(b"POST /slow HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf").unwrap();
        crowd.push(slow);
    }
    crowd.extend((0..IDLE).map(|_| proxy.connect()));
    let crowded = longest_of(&proxy, 100);
    // generous: other tests run beside this one
    assert!(crowded < alone * 10 + Duration::from_secs(1), "{crowded:?}, and {alone:?} without the crowd");
    // no client was refused
    let mut last = crowd.pop().unwrap();
    last.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
    assert!(read_to_end(&mut last).0.ends_with(b"legit"));
    assert!(!String::from_utf8_lossy(&upstream.received().concat()).contains("/slow"), "half a request was passed on");
}
