//! Workers that leave while clients send requests: whichever way they leave, no request is lost.

use std::io::{BufReader, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::python::Folder;
use super::server::{Server, get};
use super::traffic::{Client, TRAFFICS, Traffic, read_response};
use crate::support::StopFlag;

const CLIENTS: usize = 8;
/// How many more responses there are after the last disturbance.
const RESPONSES_AFTER: u64 = 200;

/// Sends requests from all clients until `disturb` returns. Panics if one has no response.
pub(super) fn storm(address: &str, traffic: Traffic, disturb: impl FnOnce(&AtomicU64)) {
    let (is_over, responses) = (StopFlag::default(), AtomicU64::new(0));
    let lost: Vec<String> = std::thread::scope(|scope| {
        let _end = is_over.set_at_end();
        let client = || {
            let mut client = Client::new(address, traffic);
            while !is_over.is_set() {
                client.exchange().inspect_err(|error| eprintln!("lost: {error}"))?;
                responses.fetch_add(1, Ordering::Relaxed);
            }
            Ok::<_, std::io::Error>(())
        };
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(client)).collect();
        disturb(&responses);
        wait_for_responses(&responses, responses.load(Ordering::Relaxed) + RESPONSES_AFTER);
        is_over.set();
        clients.into_iter().filter_map(|client| client.join().unwrap().err()).map(|error| error.to_string()).collect()
    });
    let responses = responses.into_inner();
    assert!(
        lost.is_empty(),
        "{traffic:?}: {} clients lost a request after {responses} responses: {lost:?}",
        lost.len()
    );
    assert!(responses > 100, "{traffic:?}: only {responses} responses");
}

pub(super) fn wait_for_responses(responses: &AtomicU64, count: u64) {
    crate::support::wait_until("responses", || responses.load(Ordering::Relaxed) >= count);
}

#[test]
fn max_requests_loses_none() {
    for traffic in TRAFFICS {
        let server = Server::with(&["--max-requests", "50"], 2);
        storm(&server.address, traffic, |responses| wait_for_responses(responses, 1000));
    }
}

#[test]
fn reloads_lose_none() {
    for traffic in TRAFFICS {
        let server = Server::start(2);
        storm(&server.address, traffic, |_| {
            for _ in 0..4 {
                server.signal(Signal::HUP);
                server.wait_for_worker();
                server.wait_for_worker();
            }
        });
    }
}

#[test]
fn fewer_workers_lose_none() {
    for traffic in TRAFFICS {
        let server = Server::start(1);
        storm(&server.address, traffic, |_| {
            for _ in 0..3 {
                server.signal(Signal::TTIN);
                server.wait_for_worker();
                server.signal(Signal::TTOU);
                server.wait_for("exited with code 0");
            }
        });
    }
}

#[test]
fn python_workers_retire_without_loss() {
    for traffic in TRAFFICS {
        let preloaded = &["--max-requests", "100", "--preload"][..];
        for arguments in [&["--max-requests", "100"][..], &["--max-requests", "100", "--threads", "4"], preloaded] {
            let Some(folder) = Folder::new() else { return };
            let server = folder.serve(arguments, 2);
            storm(&server.address, traffic, |responses| wait_for_responses(responses, 1500));
        }
    }
}

#[test]
fn sigterm_answers_open_connections() {
    assert_sigterm_answers_open_connections(Server::start(1));
}

pub(super) fn assert_sigterm_answers_open_connections(mut server: Server) {
    let mut clients: Vec<_> =
        (0..CLIENTS).map(|_| BufReader::new(TcpStream::connect(&server.address).unwrap())).collect();
    let request = TRAFFICS[1].request();
    for client in &mut clients {
        client.get_mut().write_all(request.as_bytes()).unwrap();
        assert!(read_response(client).unwrap().is_kept);
    }
    server.signal(Signal::TERM);
    server.wait_for("stopping 1 workers");
    // The worker may not have the signal yet. Once it has, every connection gets one more response, which says so.
    for client in &mut clients {
        let mut is_kept = true;
        while is_kept {
            client.get_mut().write_all(request.as_bytes()).unwrap();
            is_kept = read_response(client).unwrap().is_kept;
        }
    }
    assert_eq!(server.master.wait().unwrap().code(), Some(0));
}

/// A worker that hangs has one request to lose: those that arrive meanwhile are served by its successor.
#[test]
fn abort_loses_only_the_hanging_request() {
    let Some(folder) = Folder::new() else { return };
    let server = folder.serve(&["--timeout", "1"], 1);
    let mut kept = BufReader::new(TcpStream::connect(&server.address).unwrap());
    let request = TRAFFICS[0].request();
    kept.get_mut().write_all(request.as_bytes()).unwrap();
    assert!(read_response(&mut kept).unwrap().is_kept);
    let hanging = TcpStream::connect(&server.address).unwrap();
    let hanging = std::thread::spawn(move || get(hanging, "/hang"));
    crate::support::wait_until("a worker in the call", || {
        let started = Instant::now();
        let probe = TcpStream::connect(&server.address).unwrap();
        probe.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        get(probe, "/").is_err() && started.elapsed() >= Duration::from_millis(50)
    });
    kept.get_mut().write_all(request.as_bytes()).unwrap();
    let address = server.address.clone();
    let arriving: Vec<_> = (0..CLIENTS)
        .map(|_| TcpStream::connect(&address).unwrap())
        .map(|client| std::thread::spawn(move || get(client, "/")))
        .collect();
    server.wait_for("WORKER TIMEOUT");
    assert!(!read_response(&mut kept).unwrap().is_kept, "a connection of the retiring worker is served and closed");
    for client in arriving {
        let response = client.join().unwrap().unwrap();
        assert!(response.starts_with("HTTP/1.1 200 OK\r\n"), "{response}");
    }
    assert!(!hanging.join().unwrap().is_ok_and(|response| response.contains("200 OK")));
}

/// A burst of signals starts few workers: a reload waits for the one before it.
#[test]
fn reloads_are_coalesced() {
    let server = Server::start(1);
    for _ in 0..100 {
        server.signal(Signal::HUP);
        std::thread::sleep(Duration::from_millis(2));
    }
    server.signal(Signal::TERM);
    let mut started = 0;
    while let Ok(line) = server.next_line() {
        started += usize::from(line.contains("started worker"));
    }
    assert!((1..60).contains(&started), "{started} workers");
}

#[test]
fn crashes_after_the_start_are_replaced_at_once() {
    let Some(folder) = Folder::new() else { return };
    folder.write(
        "crash.py",
        "import ctypes, os\n\
         def app(environ, start_response):\n\
         \x20   path = environ['PATH_INFO']\n\
         \x20   if path == '/segfault': ctypes.string_at(0)\n\
         \x20   if path.startswith('/exit/'): os._exit(int(path[6:]))\n\
         \x20   start_response('200 OK', [('Content-Length', '2')])\n\
         \x20   return [b'ok']\n",
    );
    let mut command = folder.lab();
    command.args(["--bind", "127.0.0.1:0"]);
    let server = Server::of(&mut command, 1, "crash:app");
    for path in ["/segfault", "/exit/3", "/exit/4", "/exit/0", "/segfault", "/exit/3"] {
        let _ = get(TcpStream::connect(&server.address).unwrap(), path);
        let line = server.wait_for(if path == "/exit/0" { "exited with code 0" } else { "another one replaces it" });
        let ended = Instant::now();
        server.wait_for_worker();
        assert!(ended.elapsed() < Duration::from_secs(5), "{line}");
    }
    assert!(get(TcpStream::connect(&server.address).unwrap(), "/").unwrap().ends_with("ok"));
}
