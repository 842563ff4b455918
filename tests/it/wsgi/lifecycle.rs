//! How workers end, and what their arbiter can read afterwards.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};

use lab_worker::access_record::AccessRecord;
use lab_worker::bootstrap::{AccessLogSettings, InheritedSocket};
use rustix::process::Signal;

use super::environment::python;
use super::launch::{Worker, settings};
use crate::support::wait_until;

fn start(app: &str) -> Option<Worker> {
    python().map(|python| Worker::start(python, settings(app)))
}

/// Starts a request that stays in the application.
fn hang(worker: &Worker) -> std::net::TcpStream {
    let mut client = worker.connect();
    client.write_all(b"GET /hang?a HTTP/1.1\r\nHost: a\r\n\r\n").expect("the worker reads");
    // The response to the request before it may not be on the scoreboard yet.
    wait_until("a request in progress", || worker.scoreboard().request.filter(|line| line.starts_with("GET /hang?a ")));
    client
}

#[test]
fn graceful_stop_finishes_started_requests() {
    let Some(mut worker) = start("good:app") else { return };
    let mut client = worker.connect();
    client.write_all(b"POST /read HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nHel").expect("the worker reads");
    let mut idle = worker.connect();
    // A response on a third connection proves that it has accepted the first two.
    worker.get("/");
    worker.signal(Signal::TERM);
    assert_eq!(idle.read(&mut [0]).expect("it is closed"), 0);
    client.write_all(b"lo").expect("the worker reads");
    let mut response = String::new();
    client.read_to_string(&mut response).expect("a response");
    assert!(response.contains("Connection: close\r\n") && response.ends_with("Hello|"), "{response}");
    assert_eq!(worker.end().code(), Some(0));
}

#[test]
fn quick_stop_abandons_the_application() {
    for signal in [Signal::QUIT, Signal::INT] {
        let Some(mut worker) = start("bad:app") else { return };
        let _client = hang(&worker);
        worker.signal(signal);
        assert_eq!(worker.end().code(), Some(0), "{signal:?}");
    }
}

#[test]
fn scoreboard_shows_the_current_request() {
    let Some(mut worker) = start("bad:app") else { return };
    worker.get("/one");
    worker.get("/two");
    // A response may reach its client before the scoreboard shows its end.
    let is_idle =
        |scoreboard: &lab_worker::scoreboard::Scoreboard| scoreboard.requests == 2 && scoreboard.request.is_none();
    let idle = wait_until("an idle worker", || Some(worker.scoreboard()).filter(is_idle));
    wait_until("a sign of life", || worker.scoreboard().heartbeat > idle.heartbeat);
    let _client = hang(&worker);
    assert_eq!(worker.scoreboard().request.as_deref(), Some("GET /hang?a HTTP/1.1"));
    // After its timeout, the arbiter makes the worker print a traceback.
    worker.signal(Signal::ABORT);
    worker.wait_for("is aborted here:");
    // It may not have come as far as its sleep.
    worker.wait_for("bad.py");
    assert!(worker.end().code().is_some());
}

#[test]
fn crash_prints_a_traceback() {
    let Some(mut worker) = start("bad:app") else { return };
    let mut client = worker.connect();
    client.write_all(b"GET /crash HTTP/1.1\r\nHost: a\r\n\r\n").expect("the worker reads");
    worker.wait_for("Segmentation fault");
    worker.wait_for("in app");
    assert_eq!(worker.end().code(), None);
}

#[test]
fn worker_ends_after_max_requests() {
    let Some(python) = python() else { return };
    let mut settings = settings("good:app");
    (settings.max_requests, settings.max_requests_jitter) = (3, 0);
    let mut worker = Worker::start(python, settings);
    let mut client = worker.connect();
    client.write_all(&b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n".repeat(4)).expect("the worker reads");
    let mut responses = String::new();
    client.read_to_string(&mut responses).expect("the worker closes in order");
    assert_eq!(responses.matches("you asked for /x").count(), 3, "{responses}");
    assert_eq!(responses.matches("Connection: close").count(), 1, "{responses}");
    worker.wait_for("ends after 3 requests");
    assert_eq!(worker.end().code(), Some(0));
}

#[test]
fn standard_streams_are_passed_on() {
    let Some(mut worker) = start("good:app") else { return };
    worker.get("/errors");
    // Two streams, so that the order is not fixed.
    let printed = [worker.wait_for("said on "), worker.wait_for("said on ")].concat();
    assert!(printed.contains("stdout") && printed.contains("wsgi.errors"), "{printed}");
}

#[test]
fn exceptions_are_logged_with_their_tracebacks() {
    let Some(mut worker) = start("bad:app") else { return };
    worker.exchange(b"GET /raises?a HTTP/1.1\r\nHost: a\r\n\r\n");
    worker.wait_for("[ERROR] GET /raises?a: the application raised");
    worker.wait_for("Traceback (most recent call last):");
    worker.wait_for("ValueError: out of coffee");
    worker.exchange(b"GET /too-short HTTP/1.1\r\nHost: a\r\n\r\n");
    worker.wait_for("GET /too-short: the response is shorter than its Content-Length");
    worker.exchange(b"GET /too-long HTTP/1.1\r\nHost: a\r\n\r\n");
    worker.wait_for("GET /too-long: the response is longer than its Content-Length");
}

#[test]
fn log_level_is_honoured() {
    let Some(python) = python() else { return };
    let mut settings = settings("bad:app");
    settings.loglevel = "error".to_owned();
    let mut worker = Worker::spawn(python, settings, Vec::new());
    worker.exchange(b"GET /raises HTTP/1.1\r\nHost: a\r\n\r\n");
    worker.signal(Signal::TERM);
    let printed = worker.last_words();
    assert!(
        printed.contains("] [ERROR] GET /raises: the application raised") && !printed.contains("[INFO]"),
        "{printed}"
    );
}

#[test]
fn requests_are_recorded() {
    let Some(python) = python() else { return };
    let (reading, writing) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).expect("a pipe");
    let mut settings = settings("bad:app");
    settings.access_log = Some(AccessLogSettings {
        fd: 10,
        request_headers: vec!["x-a".to_owned()],
        response_headers: vec!["content-type".to_owned()],
        environ: vec!["server_protocol".to_owned()],
        ..AccessLogSettings::default()
    });
    let mut worker = Worker::spawn(python, settings, vec![writing]);
    worker.wait_for("is ready");
    let mut records = BufReader::new(std::fs::File::from(reading)).lines();
    let mut recorded = |request: &[u8]| -> AccessRecord {
        worker.exchange(request);
        serde_json::from_str(&records.next().expect("a record").expect("text")).expect("a record")
    };
    let record =
        recorded(b"GET /a%20b?c HTTP/1.1\r\nHost: a\r\nX-A: 1\r\nUser-Agent: me\r\nAuthorization: Basic dTpw\r\n\r\n");
    assert_eq!((record.method.as_str(), record.target.as_str(), record.path.as_str()), ("GET", "/a%20b?c", "/a b"));
    assert_eq!((record.query.as_str(), record.protocol.as_str()), ("c", "HTTP/1.1"));
    assert_eq!((record.remote_addr.as_str(), record.user.as_deref()), ("127.0.0.1", Some("u")));
    assert_eq!((record.status, record.sent_bytes), (200, "you asked for /a b".len() as u64));
    assert_eq!((record.user_agent.as_deref(), record.referer.as_deref()), (Some("me"), None));
    assert_eq!(record.request_headers, [("x-a".to_owned(), "1".to_owned())]);
    assert_eq!(record.response_headers, [("content-type".to_owned(), "text/plain".to_owned())]);
    assert_eq!(record.environ, [("server_protocol".to_owned(), "HTTP/1.1".to_owned())]);
    assert!(record.time_us > 1_700_000_000_000_000 && record.duration_us < 30_000_000, "{record:?}");
    let record = recorded(b"GET /raises HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!((record.status, record.sent_bytes), (500, 0));
    // All are written before the worker ends.
    worker.exchange(b"GET /last HTTP/1.1\r\nHost: a\r\n\r\n");
    worker.signal(Signal::TERM);
    assert!(worker.end().success());
    assert!(records.next().is_some_and(|record| record.expect("text").contains("/last")));
    assert!(records.next().is_none());
}

#[test]
fn worker_serves_unix_and_tcp_sockets() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("app.sock");
    let listener = UnixListener::bind(&path).expect("a socket");
    let mut settings = settings("good:app");
    settings.sockets.push(InheritedSocket { fd: 10, address: format!("unix:{}", path.display()) });
    let mut worker = Worker::spawn(python, settings, vec![listener.into()]);
    worker.wait_for("is ready");
    assert_eq!(worker.get("/tcp"), "you asked for /tcp");
    let mut client = UnixStream::connect(&path).expect("the worker listens");
    // Whoever gets to the socket is trusted with the scheme.
    let request = b"GET /environ HTTP/1.0\r\nHost: [::1]:81\r\nX-Forwarded-Proto: https\r\n\r\n";
    client.write_all(request).expect("the worker reads");
    let mut response = String::new();
    client.read_to_string(&mut response).expect("a response");
    for variable in ["REMOTE_ADDR=\n", "SERVER_NAME=[::1]\n", "wsgi.url_scheme=https"] {
        assert!(response.contains(variable), "{variable}: {response}");
    }
    assert!(!response.contains("REMOTE_PORT"), "{response}");
}
