//! How much of a request body a worker takes, and when it gives the space back.

use std::io::Write;

use lab_worker::ConnectionLimits;

use super::environment::python;
use super::interactive::{has_unnamed_file, read_until, rest, send};
use super::launch::{Worker, settings};
use crate::support::wait_until;

/// More than is kept in memory.
const SPOOLED: usize = 512 * 1024;

fn start(app: &str, limits: ConnectionLimits) -> Option<Worker> {
    let mut settings = settings(app);
    settings.connection_limits = limits;
    python().map(|python| Worker::start(python, settings))
}

fn has_file(worker: &Worker) -> bool {
    has_unnamed_file(worker.pid().as_raw_nonzero().get())
}

#[test]
fn too_large_body_is_refused_unread() {
    let Some(worker) = start("good:app", ConnectionLimits { request_body: 5, ..Default::default() }) else { return };
    for framing in [
        "Content-Length: 6\r\n\r\n",
        "Content-Length: 6\r\nExpect: 100-continue\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n5\r\nHello\r\n1\r\n",
    ] {
        let mut client = send(&worker, &format!("POST /read HTTP/1.1\r\nHost: a\r\n{framing}"));
        let response = rest(&mut client);
        assert!(response.starts_with("HTTP/1.1 413 ") && response.contains("Connection: close\r\n"), "{response}");
    }
    let mut client = send(&worker, "POST /read HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nHello");
    read_until(&mut client, "Hello|");
}

#[test]
fn refused_body_gives_its_space_back() {
    let limits = ConnectionLimits { request_body: SPOOLED as u64, ..Default::default() };
    let Some(worker) = start("good:app", limits) else { return };
    let head = "POST /read HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    let mut client = send(&worker, &format!("{head}{SPOOLED:x}\r\n"));
    client.write_all(&vec![b'x'; SPOOLED]).expect("the worker reads");
    wait_until("a spool file", || has_file(&worker));
    client.write_all(b"\r\n1\r\n").expect("the worker reads");
    let response = read_until(&mut client, "the body is too large\n");
    assert!(response.starts_with("HTTP/1.1 413 "), "{response}");
    // The connection is still open: its client has not closed it.
    assert!(!has_file(&worker));
}

#[test]
fn body_without_space_is_refused() {
    let Some(mut worker) = start("good:app", ConnectionLimits { spool_share: 0, ..Default::default() }) else { return };
    let head = format!("POST /length HTTP/1.1\r\nHost: a\r\nContent-Length: {SPOOLED}\r\n\r\n");
    let mut client = send(&worker, &head);
    client.write_all(&vec![b'x'; SPOOLED]).expect("the worker reads");
    let response = rest(&mut client);
    assert!(response.starts_with("HTTP/1.1 507 ") && response.contains("Connection: close\r\n"), "{response}");
    assert!(!has_file(&worker));
    worker.wait_for("cannot keep a request body");
    // What fits into memory needs no space.
    let mut client = send(&worker, "POST /length HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nHello");
    read_until(&mut client, "\r\n\r\n5");
}

#[test]
fn served_body_gives_its_space_back() {
    let Some(worker) = start("streams:app", ConnectionLimits::default()) else { return };
    let head = format!("POST /keeps-environ HTTP/1.1\r\nHost: a\r\nContent-Length: {SPOOLED}\r\n\r\n");
    let mut client = send(&worker, &head);
    client.write_all(&vec![b'x'; SPOOLED]).expect("the worker reads");
    read_until(&mut client, &format!("read {SPOOLED}"));
    wait_until("no spool file", || !has_file(&worker));
    // Another request does not find the first one's body in its own.
    assert_eq!(worker.get("/quick"), "quick");
}
