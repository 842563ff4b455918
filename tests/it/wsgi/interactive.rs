//! What depends on the order in which the two sides speak.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};

use super::environment::python;
use super::launch::{Worker, settings};
use crate::support::wait_until;

/// More bytes than are kept in memory or in the buffers of a connection.
pub(super) const LARGE: usize = 32 * 1024 * 1024;

/// Reads until the received bytes end with `end`.
pub(super) fn read_until(client: &mut TcpStream, end: &str) -> String {
    let (mut read, mut byte) = (Vec::new(), [0]);
    while !read.ends_with(end.as_bytes()) {
        let count = client.read(&mut byte).unwrap_or_else(|error| panic!("{error} behind {}", read.escape_ascii()));
        assert_eq!(count, 1, "the end, behind {}", read.escape_ascii());
        read.push(byte[0]);
    }
    String::from_utf8_lossy(&read).into_owned()
}

pub(super) fn rest(client: &mut TcpStream) -> String {
    let mut rest = Vec::new();
    client.read_to_end(&mut rest).expect("the worker closes in order");
    String::from_utf8_lossy(&rest).into_owned()
}

pub(super) fn send(worker: &Worker, request: &str) -> TcpStream {
    let mut client = worker.connect();
    client.write_all(request.as_bytes()).expect("the worker reads");
    client
}

pub(super) fn start(app: &str) -> Option<Worker> {
    python().map(|python| Worker::start(python, settings(app)))
}

/// A worker with two threads, where the first read of a body sends `100 Continue`.
pub(super) fn start_threads(app: &str) -> Option<Worker> {
    let mut settings = settings(app);
    settings.threads = 2;
    python().map(|python| Worker::start(python, settings))
}

pub(super) const EXPECT: &str = "HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";

#[test]
fn continue_is_sent_at_the_first_read() {
    let Some(worker) = start_threads("good:app") else { return };
    let mut client = send(&worker, &format!("POST /read {EXPECT}"));
    assert_eq!(read_until(&mut client, "\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
    // A request behind the body is not lost.
    client.write_all(b"HelloGET /after HTTP/1.1\r\nHost: a\r\n\r\n").expect("the worker reads");
    let response = read_until(&mut client, "Hello|");
    assert!(response.starts_with("HTTP/1.1 200 OK\r\n") && !response.contains("Connection: close"), "{response}");
    read_until(&mut client, "you asked for /after");
}

#[test]
fn expecting_client_does_not_block_others() {
    let Some(worker) = start("good:app") else { return };
    let mut client = send(&worker, &format!("POST /read {EXPECT}"));
    assert_eq!(read_until(&mut client, "\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
    client.write_all(b"Hel").expect("the worker reads");
    assert_eq!(worker.get("/quick"), "you asked for /quick");
    client.write_all(b"loGET /after HTTP/1.1\r\nHost: a\r\n\r\n").expect("the worker reads");
    let answer = read_until(&mut client, "Hello|");
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && !answer.contains("Connection: close"), "{answer}");
    read_until(&mut client, "you asked for /after");
}

#[test]
fn unread_body_gets_no_continue() {
    let Some(worker) = start_threads("good:app") else { return };
    let mut client = send(&worker, &format!("POST /unread {EXPECT}"));
    client.shutdown(Shutdown::Write).expect("a socket");
    let response = rest(&mut client);
    assert!(response.starts_with("HTTP/1.1 200 OK\r\n") && response.contains("Connection: close\r\n"), "{response}");
}

#[test]
fn malformed_body_raises_in_the_application() {
    let Some(mut worker) = start_threads("bad:app") else { return };
    let chunked = "HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n";
    let post = |path: &str, body: &str| {
        let mut client = send(&worker, &format!("POST {path} {chunked}"));
        read_until(&mut client, "100 Continue\r\n\r\n");
        client.write_all(body.as_bytes()).expect("the worker reads");
        client.shutdown(Shutdown::Write).expect("a socket");
        rest(&mut client)
    };
    let response = post("/read", "x\r\n");
    assert!(response.starts_with("HTTP/1.1 400 ") && response.ends_with("a chunk size is malformed\n"), "{response}");
    let response = post("/read-anyway", "5\r\nHel");
    assert!(response.contains("BodyError: the request body was refused: the connection ended within"), "{response}");
    let response = post("/read-anyway", "5\r\nHello\r\n0\r\n\r\n");
    assert!(response.ends_with("\r\n\r\nHello"), "{response}");

    // Once the response has begun, 100 Continue can no longer be sent.
    let mut client = send(&worker, &format!("POST /read-late {chunked}"));
    client.shutdown(Shutdown::Write).expect("a socket");
    let response = rest(&mut client);
    assert!(response.contains("the response has begun") && !response.contains("HTTP/1.1 100 "), "{response}");
    worker.wait_for("BodyError");
}

#[test]
fn response_is_sent_as_produced() {
    let Some(worker) = start("streams:app") else { return };
    let mut client = send(&worker, "GET /generator HTTP/1.1\r\nHost: a\r\n\r\n");
    // The application goes on when the file that it names is there.
    let file = read_until(&mut client, "-go\r\n").lines().last().expect("a chunk").to_owned();
    std::fs::write(file, "").expect("a file");
    read_until(&mut client, "went on\r\n0\r\n\r\n");
}

#[test]
fn slow_clients_do_not_block_others() {
    let Some(worker) = start("good:app") else { return };
    let _head = send(&worker, "GET / HTTP/1.1\r\nHost:");
    let _sized = send(&worker, "POST /read HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nHel");
    let _chunked = send(&worker, "POST /read HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n");
    let _idle = worker.connect();
    assert_eq!(worker.get("/quick"), "you asked for /quick");
}

#[test]
fn large_bodies_are_spooled() {
    let Some(worker) = start("good:app") else { return };
    let mut client = send(&worker, &format!("POST /length HTTP/1.1\r\nHost: a\r\nContent-Length: {LARGE}\r\n\r\n"));
    let memory = || resident_bytes(worker.pid().as_raw_nonzero().get());
    let before = memory();
    let piece = vec![b'x'; LARGE / 4];
    for _ in 0..3 {
        client.write_all(&piece).expect("the worker reads");
    }
    // All but the rest has been read, as far as the sockets' own buffers go.
    let open = || has_unnamed_file(worker.pid().as_raw_nonzero().get());
    wait_until("a file without a name", open);
    let grown = memory().saturating_sub(before);
    assert!(grown < LARGE / 4, "the worker has grown by {grown} bytes");
    client.write_all(&piece).expect("the worker reads");
    read_until(&mut client, &LARGE.to_string());
}

#[test]
fn unreading_client_does_not_block_others() {
    let Some(worker) = start("streams:app") else { return };
    for path in ["/large-list", "/large-file"] {
        let mut slow = send(&worker, &format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"));
        read_until(&mut slow, "\r\n\r\n");
        assert_eq!(worker.get("/quick"), "quick", "{path}");
        assert_eq!(rest(&mut slow).len(), LARGE, "{path}");
    }
}

#[test]
fn response_is_not_delayed_by_a_slow_call() {
    let Some(worker) = start("streams:app") else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let wait = |name: &str| {
        let request = format!("GET /wait?{} HTTP/1.1\r\nHost: a\r\n\r\n", folder.path().join(name).display());
        send(&worker, &request)
    };
    // While the worker is busy, a quick and a slow request arrive, and are found ready together.
    let mut busy = wait("one");
    wait_until("a request in progress", || worker.scoreboard().request);
    let mut quick = send(&worker, "GET /quick HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut slow = wait("two");
    std::fs::write(folder.path().join("one"), "").expect("a file");
    read_until(&mut busy, "waited");
    read_until(&mut quick, "quick");
    std::fs::write(folder.path().join("two"), "").expect("a file");
    read_until(&mut slow, "waited");
}

#[test]
fn endless_response_ends_with_its_client() {
    let Some(worker) = start("bad:app") else { return };
    let mut client = send(&worker, "GET /raises-midway HTTP/1.1\r\nHost: a\r\n\r\n");
    rest(&mut client);
    let mut client = send(&worker, "GET /endless HTTP/1.1\r\nHost: a\r\n\r\n");
    read_until(&mut client, "xxx");
    drop(client);
    assert_eq!(worker.get("/after"), "you asked for /after");
}

#[test]
fn silent_connection_is_closed() {
    let Some(python) = python() else { return };
    let mut settings = settings("good:app");
    settings.keepalive_s = 1;
    let worker = Worker::start(python, settings);
    let mut client = send(&worker, "GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
    let response = rest(&mut client);
    assert!(response.ends_with("you asked for /x") && !response.contains("Connection: close"), "{response}");
}

#[test]
fn keep_alive_zero_closes_every_connection() {
    let Some(python) = python() else { return };
    let mut settings = settings("good:app");
    settings.keepalive_s = 0;
    let worker = Worker::start(python, settings);
    let mut client = send(&worker, "GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(rest(&mut client).contains("Connection: close\r\n"));
}

#[test]
fn threads_serve_concurrently() {
    let Some(python) = python() else { return };
    let mut settings = settings("streams:app");
    settings.threads = 2;
    let worker = Worker::start(python, settings);
    // Each of the two waits for the other.
    let mut one = send(&worker, "GET /meet HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut other = send(&worker, "GET /meet HTTP/1.1\r\nHost: a\r\n\r\n");
    read_until(&mut one, "met in a thread of its own, multithread");
    read_until(&mut other, "met in a thread of its own, multithread");
    // A thread that waits for the rest of its body does not block others.
    let mut expecting = send(&worker, &format!("POST /read {EXPECT}"));
    read_until(&mut expecting, "100 Continue\r\n\r\n");
    assert_eq!(worker.get("/quick"), "quick");
    expecting.write_all(b"Hello").expect("the worker reads");
    read_until(&mut expecting, "Hello");
    // What is local to a thread lasts.
    let calls: Vec<u32> = (0..8).map(|_| worker.get("/local").parse().expect("a number")).collect();
    assert!(calls.iter().max() > Some(&3), "{calls:?}");
}

/// The resident memory of a process.
pub(super) fn resident_bytes(pid: i32) -> usize {
    let statm = std::fs::read_to_string(format!("/proc/{pid}/statm")).expect("the worker lives");
    let pages: usize = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok()).expect("a number");
    pages * rustix::param::page_size()
}

/// Whether a process has a file open that has no name.
pub(super) fn has_unnamed_file(pid: i32) -> bool {
    let folder = format!("/proc/{pid}/fd");
    let links = std::fs::read_dir(folder).expect("the worker lives").flatten();
    let mut targets = links.filter_map(|link| std::fs::read_link(link.path()).ok());
    let temporary = std::env::temp_dir();
    targets.any(|target| target.starts_with(&temporary) && target.to_string_lossy().ends_with("(deleted)"))
}

/// Answers that wait for each other and are sent from where they lie, to a client that reads none of them for a while.
#[test]
fn late_reader_gets_large_responses_in_order() {
    let Some(worker) = start("good:plain") else { return };
    const COUNT: u8 = 100;
    let letter = |number: u8| char::from(b'a' + number % 26);
    let mut client = worker.connect();
    let mut asking = client.try_clone().expect("a handle");
    let expecting = std::thread::spawn(move || {
        for number in 0..COUNT {
            let close = if number + 1 == COUNT { "Connection: close\r\n" } else { "" };
            let request = format!("GET /large-list?{} HTTP/1.1\r\nHost: a\r\n{close}\r\n", letter(number));
            asking.write_all(request.as_bytes()).expect("the worker reads");
        }
    });
    expecting.join().expect("all is asked for");
    // Its own buffers are full now, and the worker waits; another client is served all the same.
    assert_eq!(worker.get("/one"), worker.get("/one"));
    let responses = rest(&mut client);
    let mut rest_of = responses.as_str();
    for number in 0..COUNT {
        let (head, behind) = rest_of.split_once("\r\n\r\n").expect("a head");
        assert!(head.contains("Content-Length: 50000"), "{number}: {head}");
        let (content, next) = behind.split_at(50_000);
        assert!(content.chars().all(|found| found == letter(number)), "{number}");
        rest_of = next;
    }
    assert_eq!(rest_of, "");
}

/// `wsgi.input_terminated`: an application that reads without counting finds the end of the body, not the next request, and
/// does not block.
#[test]
fn input_ends_with_the_body() {
    let Some(worker) = start("streams:app") else { return };
    let requests = [
        ("Content-Length: 5\r\n\r\nHello", "Hello"),
        ("Transfer-Encoding: chunked\r\n\r\n2\r\nHe\r\n3\r\nllo\r\n0\r\n\r\n", "Hello"),
        ("Content-Length: 0\r\n\r\n", ""),
        ("\r\n", ""),
    ];
    // All on one connection, which stays open: an input without an end would be waited for.
    let mut client = worker.connect();
    for (rest_of_request, body) in requests {
        let request = format!("POST /until-end HTTP/1.1\r\nHost: a\r\n{rest_of_request}");
        client.write_all(request.as_bytes()).expect("the worker reads");
        client.write_all(b"GET /quick HTTP/1.1\r\nHost: a\r\n\r\n").expect("the worker reads");
        let response = read_until(&mut client, "\r\n\r\nquick");
        assert!(response.contains(&format!("\r\n\r\nTrue {body:?}.HTTP/1.1 200 ")), "{request}: {response}");
    }
}
