//! Threads that outlive the response of the application that started them.

use std::io::{Read, Write};

use rustix::process::Signal;

use super::environment::python;
use super::interactive::{EXPECT, read_until, rest, send, start_threads};
use super::launch::{Worker, settings};

/// A worker that keeps nothing in files for a client, so that its application waits.
fn start_without_spool() -> Option<Worker> {
    let mut settings = settings("streams:app");
    settings.connection_limits.response_spool = 0;
    python().map(|python| Worker::start(python, settings))
}

#[test]
fn late_thread_cannot_write_to_another_client() {
    let Some(mut worker) = start_without_spool() else { return };
    // It is sent more than the client takes, so that the thread waits when the application has ended.
    let mut slow = send(&worker, "GET /writes-on HTTP/1.1\r\nHost: a\r\n\r\n");
    worker.wait_for("GET /writes-on: the application has ended, and one of its threads is still sending");
    let others: Vec<_> = (0..4).map(|_| send(&worker, "GET /quick HTTP/1.0\r\nHost: a\r\n\r\n")).collect();
    // Nothing was written into the middle of the unfinished response.
    let mut read = Vec::new();
    slow.read_to_end(&mut read).expect("the worker closes in order");
    let (head, content) = read.split_at(read.windows(4).position(|four| four == b"\r\n\r\n").expect("a head") + 4);
    assert!(head.starts_with(b"HTTP/1.1 200 OK\r\n"), "{}", head.escape_ascii());
    let other = content.iter().filter(|byte| **byte != b'x').copied().collect::<Vec<_>>();
    assert!(
        String::from_utf8_lossy(&other).starts_with("2000000\r\n") && other.len() <= 11,
        "{}",
        other.escape_ascii()
    );
    for mut other in others {
        read_until(&mut other, "quick");
        assert_eq!(rest(&mut other), "");
    }
}

#[test]
fn late_body_reader_ends_its_connection() {
    let Some(worker) = start_threads("streams:app") else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("go");
    let mut client = send(&worker, &format!("POST /reads-on?{} {EXPECT}", file.display()));
    read_until(&mut client, "100 Continue\r\n\r\n");
    std::fs::write(file, "").expect("a file");
    read_until(&mut client, "read on");
    client.write_all(b"HelloGET /after HTTP/1.1\r\nHost: a\r\n\r\n").expect("the worker reads");
    let behind = rest(&mut client);
    // If the thread still reads the body when the response ends, the start of the next request is unknown.
    assert!(behind.is_empty() || behind.starts_with("HTTP/1.1 200 ") && behind.ends_with("\r\n\r\nafter"), "{behind}");
    assert_eq!(worker.get("/quick"), "quick");
}

#[test]
fn threaded_worker_shuts_down_cleanly() {
    let Some(python) = python() else { return };
    let mut settings = settings("streams:app");
    settings.threads = 16;
    for _ in 0..5 {
        let mut worker = Worker::start(python, settings.clone());
        assert_eq!(worker.get("/quick"), "quick");
        worker.signal(Signal::TERM);
        assert_eq!(worker.end().code(), Some(0));
    }
}

#[test]
fn worker_ends_despite_a_sending_thread() {
    let Some(mut worker) = start_without_spool() else { return };
    let _slow = send(&worker, "GET /writes-on HTTP/1.1\r\nHost: a\r\n\r\n");
    worker.wait_for("one of its threads is still sending");
    worker.signal(Signal::TERM);
    assert_eq!(worker.end().code(), Some(0));
}
