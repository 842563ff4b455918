//! Raw bytes in, raw bytes out: every case is a file, and is followed by a sound request on the same connection, which
//! shows in the snapshot whether it got a response.
//!
//! In a case, line ends of the file mean nothing; those of the protocol are written as `\r\n`. `#` starts a comment.

use std::rc::Rc;

use lab_http::message::extensions::ConnectionInfo;
use lab_worker::gateway::serve_connection;
use lab_worker::idle_connections::IdleConnections;
use lab_worker::native::observer::NoObserver;
use lab_worker::{ServiceGateway, ShutdownState, WorkerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::LocalSet;

use super::app::App;

const AFTER: &str = r"GET /after HTTP/1.1\r\nHost: a\r\n\r\n";

#[test]
fn raw_requests() {
    insta::glob!("cases/*.http", |path| {
        let case = std::fs::read_to_string(path).expect("a case");
        let response = run(exchange(&unescape(&case)));
        insta::with_settings!({ description => &case, omit_expression => true, prepend_module_to_snapshot => false,
            snapshot_path => "snapshots",
            filters => [(r"Date: \w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT", "Date: {date}")] }, {
            insta::assert_snapshot!(escape(&response));
        });
    });
}

/// Sends `request`, closes the writing side, and returns everything that is received.
async fn exchange(request: &[u8]) -> Vec<u8> {
    let (mut client, _stop) = connect(WorkerConfig::default()).await;
    client.write_all(request).await.expect("the server reads");
    client.shutdown().await.expect("the server reads");
    let mut response = Vec::new();
    client.read_to_end(&mut response).await.expect("the server closes in order");
    response
}

/// Runs a test on the kind of runtime that a worker has.
pub(super) fn run<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    LocalSet::new().block_on(&runtime, test)
}

/// A connection to a server of [`App`], and the sender that stops that server.
pub(super) async fn connect(settings: WorkerConfig) -> (TcpStream, watch::Sender<ShutdownState>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let local = listener.local_addr().expect("an address");
    let (stop, stopping) = watch::channel(ShutdownState::Running);
    let client = TcpStream::connect(local).await.expect("a connection");
    let (server, peer) = listener.accept().await.expect("a connection");
    tokio::task::spawn_local(serve_connection(
        server,
        ConnectionInfo::Tcp { peer, local },
        ServiceGateway(App, NoObserver),
        Rc::new(settings),
        stopping,
        IdleConnections::default().register(),
    ));
    (client, stop)
}

/// What a case sends, and a sound request behind it.
pub(crate) fn unescape(case: &str) -> Vec<u8> {
    let lines: String = case.lines().filter(|line| !line.starts_with('#')).chain([AFTER]).collect();
    let mut bytes = Vec::new();
    let mut rest = lines.chars();
    while let Some(next) = rest.next() {
        let escaped = if next == '\\' { rest.next() } else { None };
        match escaped {
            None => bytes.extend_from_slice(next.to_string().as_bytes()),
            Some('r') => bytes.push(b'\r'),
            Some('n') => bytes.push(b'\n'),
            Some('t') => bytes.push(b'\t'),
            Some('0') => bytes.push(0),
            Some('x') => {
                let hex: String = rest.by_ref().take(2).collect();
                bytes.push(u8::from_str_radix(&hex, 16).expect("two hex digits behind \\x"));
            }
            Some(other) => panic!("unknown escape \\{other}"),
        }
    }
    bytes
}

/// A response in readable form.
pub(crate) fn escape(response: &[u8]) -> String {
    response.escape_ascii().to_string().replace("\\'", "'").replace("\\\"", "\"").replace("\\n", "\\n\n")
}
