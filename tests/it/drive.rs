//! The driver's process, as `lab run` starts it, against servers of this process.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Seek, Write};
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use lab::load::ledger::ErrorClass;
use lab::load::protocol::{Decoder, DriveOutcome, DrivePlan, Event, Mode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

fn plan(address: SocketAddr, users: u32) -> DrivePlan {
    DrivePlan {
        url: format!("http://{address}/pong"),
        mode: Mode::Goose { users: NonZeroU32::new(users).unwrap(), steps: Vec::new() },
        warmup: Duration::from_secs(1),
        window: Duration::from_secs(1),
        timeout: Duration::from_secs(5),
    }
}

/// Runs `lab drive` to its end, which must write events and nothing else. A proxy in the environment is ignored.
fn drive(plan: &DrivePlan) -> DriveOutcome {
    // A file, because a pipe that nobody empties would stop a driver that has much to complain about.
    let mut complaints = tempfile::tempfile().unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_lab"))
        .arg("drive")
        .env("http_proxy", "http://127.0.0.1:1/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(complaints.try_clone().unwrap())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(plan.to_json().unwrap().as_bytes()).unwrap();
    let mut decoder = Decoder::default();
    let mut outcome = None;
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        if let Event::Outcome(last) = decoder.line(&line.unwrap()).unwrap() {
            outcome = Some(*last);
        }
    }
    let status = child.wait().unwrap();
    let mut complained = String::new();
    complaints.rewind().unwrap();
    complaints.read_to_string(&mut complained).unwrap();
    assert_eq!(complained, "", "goose is silent");
    decoder.finish().unwrap();
    assert!(status.success());
    outcome.unwrap()
}

/// A server's own account.
#[derive(Debug, Default)]
struct Counts {
    accepted: AtomicU64,
    served: AtomicU64,
}

/// Answers every request on every connection with `answer`, until the runtime is dropped.
fn serve(runtime: &Runtime, answer: impl Into<Arc<str>>) -> (SocketAddr, Arc<Counts>) {
    let counts = Arc::new(Counts::default());
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap();
    let in_server = counts.clone();
    let answer = answer.into();
    runtime.spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            in_server.accepted.fetch_add(1, Ordering::Relaxed);
            tokio::spawn(serve_connection(stream, answer.clone(), in_server.clone()));
        }
    });
    (address, counts)
}

async fn serve_connection(mut stream: TcpStream, answer: Arc<str>, counts: Arc<Counts>) -> std::io::Result<()> {
    let mut buffer = [0; 4096];
    let mut head = Vec::new();
    loop {
        let read = stream.read(&mut buffer).await?;
        if read == 0 {
            return Ok(());
        }
        head.extend_from_slice(&buffer[..read]);
        if head.ends_with(b"\r\n\r\n") {
            head.clear();
            counts.served.fetch_add(1, Ordering::Relaxed);
            stream.write_all(answer.as_bytes()).await?;
        }
    }
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

#[test]
fn the_ledger_agrees_with_the_servers_own_count() {
    let runtime = runtime();
    let (address, counts) = serve(&runtime, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nPong!");
    let outcome = drive(&plan(address, 4));
    let served = counts.served.load(Ordering::Relaxed);
    let ledger = &outcome.ledger;

    assert_eq!(ledger.window, Duration::from_secs(1));
    assert_eq!(ledger.failed, BTreeMap::new());
    assert!(ledger.ok > 0 && ledger.ok <= served, "{} of {served}", ledger.ok);
    assert!(ledger.unfinished <= 4);
    assert_eq!(ledger.body_bytes, Some(5 * ledger.ok));
    assert_eq!(ledger.service_time_us.len(), ledger.ok);
    assert!(outcome.driver_cpu > Duration::ZERO);
    assert_eq!(outcome.unclassified, Vec::<String>::new());
    let accepted = counts.accepted.load(Ordering::Relaxed);
    assert_eq!((outcome.connections_opened, accepted), (Some(4), 4), "one connection for each user");
}

#[test]
fn errors_are_counted_and_the_window_still_ends() {
    let runtime = runtime();
    let (address, _) = serve(&runtime, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    let outcome = drive(&DrivePlan { warmup: Duration::ZERO, ..plan(address, 2) });
    assert_eq!(outcome.ledger.ok, 0);
    assert_eq!(outcome.ledger.failed.keys().collect::<Vec<_>>(), [&ErrorClass::Status4xx]);

    let refusing = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap().local_addr().unwrap();
    let outcome = drive(&DrivePlan { warmup: Duration::ZERO, ..plan(refusing, 2) });
    assert_eq!(outcome.ledger.ok, 0);
    assert_eq!(outcome.ledger.failed.keys().collect::<Vec<_>>(), [&ErrorClass::ConnectRefused]);
    assert_eq!(outcome.connections_opened, Some(0));
}

#[test]
fn requests_that_a_silent_server_holds_are_unfinished_and_do_not_delay_the_end() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let plan = DrivePlan { timeout: Duration::from_secs(600), ..plan(silent.local_addr().unwrap(), 3) };
    let outcome = drive(&plan);
    assert_eq!((outcome.ledger.ok, outcome.ledger.failures(), outcome.ledger.unfinished), (0, 0, 3));
}

/// hyper-util begins to connect whenever its pool is empty at the very moment of a request, and throws the connection
/// away when the old one comes back. A body that takes several reads makes that happen all the time.
#[test]
fn large_bodies_open_no_connections_but_one_for_each_user() {
    let runtime = runtime();
    let body = "x".repeat(300_000);
    let (address, counts) = serve(&runtime, format!("HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n{body}"));
    let outcome = drive(&plan(address, 4));
    assert_eq!(outcome.ledger.failures(), 0);
    assert_eq!(outcome.ledger.body_bytes, Some(300_000 * outcome.ledger.ok));
    let accepted = counts.accepted.load(Ordering::Relaxed);
    assert_eq!((outcome.connections_opened, accepted), (Some(4), 4));
}
