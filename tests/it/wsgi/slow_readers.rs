//! Clients that do not read their responses: what they cost a worker, and whom they keep waiting.

use std::io::Read;
use std::net::TcpStream;

use lab_worker::ConnectionLimits;

use super::environment::python;
use super::interactive::{LARGE, has_unnamed_file, read_until, resident_bytes, send};
use super::launch::{Worker, settings};
use crate::support::wait_until;

/// The size of the pieces of `/large-pieces`.
const PIECE: usize = 8 * 1024;

fn start(threads: u32, timeout_s: u64, limits: ConnectionLimits) -> Option<Worker> {
    let mut settings = settings("streams:app");
    (settings.threads, settings.timeout_s, settings.connection_limits) = (threads, timeout_s, limits);
    python().map(|python| Worker::start(python, settings))
}

/// Asks in HTTP/1.0, where the end of the connection ends a response of unknown length.
fn ask(worker: &Worker, path: &str) -> TcpStream {
    let mut client = send(worker, &format!("GET {path} HTTP/1.0\r\nHost: a\r\n\r\n"));
    read_until(&mut client, "\r\n\r\n");
    client
}

/// Reads the content of `/large-pieces` or `/many-pieces`, and checks each piece.
fn read_pieces(client: &mut TcpStream) {
    let mut piece = [0; PIECE];
    for number in 0..LARGE / PIECE {
        client.read_exact(&mut piece).expect("a whole response");
        assert!(piece.iter().all(|&byte| usize::from(byte) == number % 251), "piece {number}");
    }
    assert_eq!(client.read(&mut piece).expect("the end"), 0);
}

#[test]
fn generator_is_read_ahead_of_a_slow_reader() {
    let Some(worker) = start(1, 30, ConnectionLimits::default()) else { return };
    let mut slow = ask(&worker, "/large-pieces");
    assert_eq!(worker.get("/quick"), "quick");
    assert!(has_unnamed_file(worker.pid().as_raw_nonzero().get()));
    read_pieces(&mut slow);
    wait_until("no spool file", || !has_unnamed_file(worker.pid().as_raw_nonzero().get()));
}

#[test]
fn exhausted_spool_makes_the_application_wait() {
    for limits in [
        ConnectionLimits { response_spool: 0, ..Default::default() },
        ConnectionLimits { response_spool: 4 * 1024 * 1024, ..Default::default() },
        ConnectionLimits { spool_share: 0, ..Default::default() },
    ] {
        let Some(worker) = start(2, 30, limits) else { return };
        let mut slow = ask(&worker, "/large-pieces");
        assert_eq!(worker.get("/quick"), "quick");
        read_pieces(&mut slow);
    }
}

#[test]
fn timeout_bounds_the_wait_for_a_client() {
    let limits = ConnectionLimits { response_spool: 0, ..Default::default() };
    let Some(mut worker) = start(1, 1, limits) else { return };
    let mut slow = ask(&worker, "/large-pieces");
    assert_eq!(worker.get("/quick"), "quick");
    worker.wait_for("a client did not read its response in time");
    let mut rest = Vec::new();
    // A reset or an early end: the response is cut off in any case.
    let _ = slow.read_to_end(&mut rest);
    assert!(rest.len() < LARGE, "{} bytes", rest.len());
}

#[test]
fn unread_responses_do_not_fill_the_memory() {
    const CLIENTS: usize = 20;
    for path in ["/shared-list", "/large-list", "/many-pieces"] {
        let Some(worker) = start(1, 30, ConnectionLimits::default()) else { return };
        let memory = || resident_bytes(worker.pid().as_raw_nonzero().get());
        // What one call needs is not what a waiting client costs.
        drop(ask(&worker, path));
        assert_eq!(worker.get("/quick"), "quick");
        let before = memory();
        let mut clients: Vec<_> = (0..CLIENTS).map(|_| ask(&worker, path)).collect();
        assert_eq!(worker.get("/quick"), "quick");
        let grown = memory().saturating_sub(before);
        // 20 clients with 32 MiB each, less what their sockets hold.
        assert!(grown < 150 * 1024 * 1024, "{path}: the worker has grown by {grown} bytes");
        let mut content = Vec::new();
        for client in &mut clients {
            content.clear();
            client.read_to_end(&mut content).expect("a whole response");
            assert_eq!(content.len(), LARGE, "{path}");
        }
    }
}
