//! What depends on the order in which the two sides speak.

use std::time::Duration;

use lab_worker::{ShutdownState, WorkerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::app::LARGE;
use super::wire::{connect, run};

/// Reads until the received bytes end with `end`.
async fn read_until(client: &mut TcpStream, end: &str) -> String {
    let mut read = Vec::new();
    while !read.ends_with(end.as_bytes()) {
        read.push(client.read_u8().await.unwrap_or_else(|error| panic!("{error} behind {}", read.escape_ascii())));
    }
    String::from_utf8(read).expect("text")
}

/// What is still sent before the connection ends.
async fn rest(client: &mut TcpStream) -> String {
    let mut rest = String::new();
    client.read_to_string(&mut rest).await.expect("the server closes in order");
    rest
}

#[test]
fn continue_is_sent_at_the_first_read() {
    run(async {
        let (mut client, _stop) = connect(WorkerConfig::default()).await;
        let head = "POST /read HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";
        client.write_all(head.as_bytes()).await.unwrap();
        assert_eq!(read_until(&mut client, "\r\n\r\n").await, "HTTP/1.1 100 Continue\r\n\r\n");
        client.write_all(b"Hello").await.unwrap();
        let response = read_until(&mut client, "read 5 bytes").await;
        assert!(response.starts_with("HTTP/1.1 200 OK\r\n"), "{response}");
        assert!(!response.contains("Connection: close"), "{response}");
    });
}

#[test]
fn stream_is_sent_as_produced() {
    run(async {
        let (mut client, _stop) = connect(WorkerConfig::default()).await;
        client.write_all(b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n").await.unwrap();
        client.write_all(b"3\r\none\r\n").await.unwrap();
        read_until(&mut client, "\r\n\r\n3\r\none\r\n").await;
        client.write_all(b"3\r\ntwo\r\n0\r\n\r\n").await.unwrap();
        read_until(&mut client, "3\r\ntwo\r\n0\r\n\r\n").await;
    });
}

#[test]
fn large_body_is_echoed() {
    run(async {
        let (client, _stop) = connect(WorkerConfig::default()).await;
        let (mut reading, mut writing) = client.into_split();
        let body = "0123456789".repeat(100_000);
        let sending = async {
            let head = format!("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", body.len());
            writing.write_all(head.as_bytes()).await.unwrap();
            writing.write_all(body.as_bytes()).await.unwrap();
            writing.shutdown().await.unwrap();
        };
        let mut response = String::new();
        let (read, ()) = tokio::join!(reading.read_to_string(&mut response), sending);
        read.unwrap();
        let (head, echoed) = response.split_once("\r\n\r\n").unwrap();
        assert!(head.contains("Content-Length: 1000000"), "{head}");
        assert!(echoed == body);
    });
}

#[test]
fn slow_clients_time_out() {
    let instant = Duration::from_millis(1);
    let cases = [
        // the request, the bound that it exceeds, and the response
        ("", WorkerConfig { idle_timeout: instant, ..WorkerConfig::default() }, ""),
        ("GET / HT", WorkerConfig { header_timeout: instant, ..WorkerConfig::default() }, "HTTP/1.1 408 "),
        (
            "POST /read-or-fail HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nHel",
            WorkerConfig { body_timeout: instant, ..WorkerConfig::default() },
            "HTTP/1.1 408 ",
        ),
    ];
    for (sent, settings, response) in cases {
        run(async {
            let (mut client, _stop) = connect(WorkerConfig { linger_timeout: instant, ..settings }).await;
            client.write_all(sent.as_bytes()).await.unwrap();
            let rest = rest(&mut client).await;
            assert!(rest.starts_with(response) && rest.is_empty() == response.is_empty(), "{sent:?}: {rest}");
        });
    }
}

#[test]
fn unreading_client_times_out() {
    run(async {
        let settings = WorkerConfig { send_timeout: Duration::from_millis(1), ..WorkerConfig::default() };
        let (mut client, stop) = connect(settings).await;
        client.write_all(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
        // The server's end of the connection holds the other end of this channel.
        stop.closed().await;
        let mut response = Vec::new();
        // In any case the response is incomplete.
        let _ = client.read_to_end(&mut response).await;
        assert!(response.len() < LARGE, "{} bytes", response.len());
    });
}

#[test]
fn idle_connection_is_closed() {
    run(async {
        let (mut client, _stop) =
            connect(WorkerConfig { keep_alive: Duration::from_millis(1), ..WorkerConfig::default() }).await;
        client.write_all(b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
        let response = rest(&mut client).await;
        assert!(response.ends_with("you asked for /x") && !response.contains("Connection: close"), "{response}");
    });
}

#[test]
fn shutdown_closes_idle_connections_first() {
    run(async {
        let (mut idle, stop) = connect(WorkerConfig::default()).await;
        stop.send(ShutdownState::Graceful).unwrap();
        assert_eq!(rest(&mut idle).await, "");

        let (mut busy, stop) = connect(WorkerConfig::default()).await;
        busy.write_all(b"POST /read HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
            .await
            .unwrap();
        read_until(&mut busy, "100 Continue\r\n\r\n").await;
        stop.send(ShutdownState::Graceful).unwrap();
        busy.write_all(b"ab").await.unwrap();
        let response = rest(&mut busy).await;
        assert!(response.contains("Connection: close\r\n") && response.ends_with("read 2 bytes"), "{response}");
    });
}
