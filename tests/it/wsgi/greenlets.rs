//! gevent workers: each request in a greenlet on gevent's hub.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use lab_worker::ConnectionLimits;
use lab_worker::bootstrap::{WorkerClass, WorkerSettings};
use rustix::process::Signal;

use super::environment::gevent_python;
use super::interactive::{LARGE, has_unnamed_file, read_until, resident_bytes, rest, send};
use super::launch::{Worker, settings};
use crate::support::wait_until;

/// The size of the pieces of large responses.
const PIECE: usize = 8 * 1024;

fn start_with(change: impl FnOnce(&mut WorkerSettings)) -> Option<Worker> {
    let mut settings = settings("greenlets:app");
    settings.worker_class = WorkerClass::Gevent;
    change(&mut settings);
    gevent_python().map(|python| Worker::start(python, settings))
}

fn start() -> Option<Worker> {
    start_with(|_| {})
}

/// A path in a folder that is removed with it.
fn file() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("go");
    (folder, file)
}

/// Requests in HTTP/1.0, where the end of the connection ends a response of unknown length.
fn ask(worker: &Worker, path: &str) -> TcpStream {
    send(worker, &format!("GET {path} HTTP/1.0\r\nHost: a\r\n\r\n"))
}

fn ask_with_file(worker: &Worker, path: &str, file: &Path) -> TcpStream {
    ask(worker, &format!("{path}?{}", file.display()))
}

/// The status line and the content.
fn response(client: &mut TcpStream) -> (String, String) {
    let response = rest(client);
    let (head, content) = response.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no head: {response}"));
    (head.lines().next().unwrap_or_default().to_owned(), content.to_owned())
}

fn content(mut client: TcpStream) -> String {
    let (status, content) = response(&mut client);
    assert_eq!(status, "HTTP/1.1 200 OK", "{content}");
    content
}

#[test]
fn sleeping_requests_take_as_long_as_one() {
    const REQUESTS: u32 = 64;
    const SLEEP: Duration = Duration::from_millis(10);
    let Some(worker) = start() else { return };
    let round = || {
        let began = Instant::now();
        let clients: Vec<_> = (0..REQUESTS).map(|_| ask(&worker, "/sleep?0.01")).collect();
        clients.into_iter().for_each(|client| assert_eq!(content(client), "sleep"));
        began.elapsed()
    };
    let fastest = (0..5).map(|_| round()).min().expect("rounds");
    assert!(fastest >= SLEEP && fastest < SLEEP * REQUESTS / 4, "{fastest:?}");
}

#[test]
fn requests_share_the_main_thread() {
    // As in gunicorn, threads do not concern a gevent worker.
    let Some(worker) = start_with(|settings| settings.threads = 4) else { return };
    let other = ask(&worker, "/meet");
    assert_eq!(worker.get("/meet"), "met in the main thread, multithread");
    assert_eq!(content(other), "met in the main thread, multithread");
    // Each greenlet has its own thread-local data.
    assert_eq!([worker.get("/local"), worker.get("/local")], ["1", "1"]);
}

#[test]
fn worker_connections_bound_the_greenlets() {
    let Some(worker) = start_with(|settings| settings.worker_connections = 4) else { return };
    let (_folder, file) = file();
    let clients: Vec<_> = (0..4).map(|_| ask_with_file(&worker, "/wait", &file)).collect();
    wait_until("four requests that wait", || {
        std::fs::read(file.with_extension("waiting")).is_ok_and(|waiting| waiting.len() == 4)
    });
    let mut fifth = ask(&worker, "/quick");
    fifth.set_read_timeout(Some(Duration::from_millis(200))).expect("a socket");
    let early = fifth.read(&mut [0]).expect_err("no response");
    assert_eq!(early.kind(), std::io::ErrorKind::WouldBlock);
    fifth.set_read_timeout(None).expect("a socket");
    std::fs::write(file, "").expect("a file");
    clients.into_iter().for_each(|client| assert_eq!(content(client), "waited"));
    assert_eq!(content(fifth), "quick");
}

#[test]
fn generator_streams_while_others_go_on() {
    let Some(worker) = start() else { return };
    let (_folder, file) = file();
    let mut client = ask_with_file(&worker, "/stream", &file);
    read_until(&mut client, "\r\n\r\nfirst ");
    for _ in 0..10 {
        assert_eq!(worker.get("/quick"), "quick");
    }
    std::fs::write(file, "").expect("a file");
    assert_eq!(rest(&mut client), "second");
}

#[test]
fn busy_generator_gives_way() {
    let Some(worker) = start() else { return };
    let (_folder, file) = file();
    let mut client = ask_with_file(&worker, "/busy", &file);
    let reader = std::thread::spawn(move || std::io::copy(&mut client, &mut std::io::sink()).expect("an end"));
    assert_eq!(worker.get("/quick"), "quick");
    std::fs::write(file, "").expect("a file");
    assert!(reader.join().expect("a reader") > 0);
}

#[test]
fn slow_upload_does_not_hold_others() {
    let Some(worker) = start() else { return };
    for expects in ["", "Expect: 100-continue\r\n"] {
        let head = format!("POST /read HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n{expects}Connection: close\r\n\r\n");
        let mut client = send(&worker, &head);
        if !expects.is_empty() {
            read_until(&mut client, "HTTP/1.1 100 Continue\r\n\r\n");
        }
        client.write_all(b"Hel").expect("the worker reads");
        assert_eq!(worker.get("/quick"), "quick");
        client.write_all(b"lo").expect("the worker reads");
        assert_eq!(content(client), "Hello");
    }
}

#[test]
fn body_is_read_in_another_greenlet() {
    let Some(worker) = start() else { return };
    for length in [5, 1024 * 1024] {
        let body = "x".repeat(length);
        let head = format!("POST /read-in-greenlet HTTP/1.0\r\nHost: a\r\nContent-Length: {length}\r\n\r\n");
        assert!(content(send(&worker, &(head + &body))) == body, "{length} bytes");
    }
}

#[test]
fn slow_reader_does_not_hold_others() {
    let Some(worker) = start() else { return };
    for path in ["/large-pieces", "/written", "/large-list"] {
        let mut slow = ask(&worker, path);
        read_until(&mut slow, "\r\n\r\n");
        assert_eq!(worker.get("/quick"), "quick");
        let mut piece = [0; PIECE];
        for number in 0..LARGE / PIECE {
            slow.read_exact(&mut piece).expect("a whole response");
            assert!(piece.iter().all(|&byte| usize::from(byte) == number % 251), "{path}: piece {number}");
        }
        assert_eq!(slow.read(&mut piece).expect("the end"), 0);
    }
}

/// A greenlet waits for its client, where a thread would fill a file to be free for others.
#[test]
fn slow_readers_take_little_space() {
    const CLIENTS: usize = 20;
    let Some(worker) = start() else { return };
    let pid = worker.pid().as_raw_nonzero().get();
    assert_eq!(worker.get("/quick"), "quick");
    let before = resident_bytes(pid);
    let mut clients: Vec<_> = (0..CLIENTS).map(|_| ask(&worker, "/large-pieces")).collect();
    clients.iter_mut().for_each(|client| drop(read_until(client, "\r\n\r\n")));
    assert_eq!(worker.get("/quick"), "quick");
    assert!(!has_unnamed_file(pid));
    let grown = resident_bytes(pid).saturating_sub(before);
    assert!(grown < 32 * 1024 * 1024, "the worker has grown by {grown} bytes");
}

#[test]
fn silent_reader_is_cut_off() {
    let limits = ConnectionLimits { send_timeout_s: 1, ..Default::default() };
    let Some(mut worker) = start_with(|settings| settings.connection_limits = limits) else { return };
    let mut slow = ask(&worker, "/large-pieces");
    read_until(&mut slow, "\r\n\r\n");
    worker.wait_for("a client did not read its response in time");
    assert_eq!(worker.get("/quick"), "quick");
    let mut rest = Vec::new();
    // A reset or an early end: the response is cut off in any case.
    let _ = slow.read_to_end(&mut rest);
    assert!(rest.len() < LARGE, "{} bytes", rest.len());
}

#[test]
fn standard_library_is_cooperative() {
    let Some(worker) = start() else { return };
    let (_folder, file) = file();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let sleeping = ask_with_file(&worker, "/wait", &file);
    let running = ask_with_file(&worker, "/subprocess", &file);
    let receiving = ask(&worker, &format!("/socket?{port}"));
    let (mut peer, _) = listener.accept().expect("a connection of the application");
    // Each of them waits, and only another request ends the wait of two.
    assert_eq!(worker.get(&format!("/touch?{}", file.display())), "touch");
    assert_eq!(content(sleeping), "waited");
    assert_eq!(content(running), "done\n");
    peer.write_all(b"received").expect("the application reads");
    assert_eq!(content(receiving), "received");
}

#[test]
fn exceptions_end_one_request() {
    let Some(mut worker) = start() else { return };
    for (path, logged) in [
        ("/raises", "ValueError: out of coffee"),
        ("/greenlet-exit", "greenlet.GreenletExit"),
        ("/is-killed", "greenlet.GreenletExit"),
        ("/times-out", "gevent.timeout.Timeout: 0.01 seconds"),
        ("/exits", "SystemExit: 7"),
    ] {
        let other = ask(&worker, "/sleep?0.05");
        let (status, _) = response(&mut ask(&worker, path));
        assert_eq!(status, "HTTP/1.1 500 Internal Server Error", "{path}");
        worker.wait_for(&format!("[ERROR] GET {path}: the application raised"));
        worker.wait_for(logged);
        assert_eq!(content(other), "sleep");
    }
    // A response that has begun is cut.
    let mut client = send(&worker, "GET /raises-late HTTP/1.1\r\nHost: a\r\n\r\n");
    let cut = rest(&mut client);
    assert!(cut.starts_with("HTTP/1.1 200 OK\r\n") && cut.ends_with("5\r\nbegun\r\n"), "{cut}");
    worker.wait_for("AttributeError: 'NoneType' object has no attribute 'decode'");
}

#[test]
fn exit_of_another_greenlet_retires_the_worker() {
    let Some(mut worker) = start() else { return };
    let (_folder, file) = file();
    let waiting = ask_with_file(&worker, "/wait", &file);
    assert_eq!(worker.get("/background-exit"), "background-exit");
    wait_until("a worker that retires", || worker.scoreboard().is_retiring);
    std::fs::write(file, "").expect("a file");
    assert_eq!(content(waiting), "waited");
    assert_eq!(worker.end().code(), Some(0));
}

#[test]
fn heartbeat_is_that_of_the_hub() {
    let Some(worker) = start() else { return };
    let beat = || worker.scoreboard().heartbeat;
    let idle = beat();
    wait_until("a heartbeat", || beat() > idle);
    let _blocked = ask(&worker, "/blocks");
    wait_until("a request in progress", || worker.scoreboard().request.is_some_and(|line| line.contains("/blocks")));
    let blocked = beat();
    // Requests go on to arrive, and nothing runs them.
    let _arriving: Vec<_> = (0..8).map(|_| ask(&worker, "/quick")).collect();
    let began = Instant::now();
    wait_until("longer than a heartbeat takes", || began.elapsed() > Duration::from_millis(1500));
    assert_eq!(beat(), blocked);
    assert_eq!(worker.scoreboard().requests, 0);
}

#[test]
fn graceful_stop_finishes_greenlets() {
    let Some(mut worker) = start() else { return };
    let (_folder, file) = file();
    let waiting = ask_with_file(&worker, "/wait", &file);
    wait_until("a request in progress", || worker.scoreboard().request);
    worker.signal(Signal::TERM);
    std::fs::write(file, "").expect("a file");
    assert_eq!(content(waiting), "waited");
    assert_eq!(worker.end().code(), Some(0));
}

#[test]
fn graceful_timeout_interrupts_greenlets() {
    let Some(mut worker) = start_with(|settings| settings.graceful_timeout_s = 1) else { return };
    let (_folder, file) = file();
    let mut client = ask_with_file(&worker, "/interrupted", &file);
    wait_until("a request in progress", || worker.scoreboard().request);
    worker.signal(Signal::TERM);
    worker.wait_for("1 connections did not end within 1s");
    worker.wait_for("greenlet.GreenletExit");
    assert_eq!(worker.end().code(), Some(0));
    assert_eq!(std::fs::read_to_string(file).unwrap_or_default(), "interrupted");
    assert!(!rest(&mut client).contains("200 OK"));
}

#[test]
fn quick_stop_abandons_greenlets() {
    for signal in [Signal::QUIT, Signal::INT] {
        let Some(mut worker) = start() else { return };
        let _client = ask(&worker, "/sleep?60");
        wait_until("a request in progress", || worker.scoreboard().request);
        worker.signal(signal);
        assert_eq!(worker.end().code(), Some(0), "{signal:?}");
    }
}
