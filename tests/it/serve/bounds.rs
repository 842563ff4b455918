//! The bounds of connections, backlogs and scoreboards.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;
use socket2::{Domain, SockAddr, Socket, Type};

use super::hosts::hosts;
use super::server::{Server, get, send_signal};
use crate::support::{text, wait_until};

fn send_request(client: &mut TcpStream) {
    client.write_all(b"GET /pong HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
}

fn read_response(client: &mut TcpStream) {
    let mut response = Vec::new();
    while !response.ends_with(b"Pong!") {
        let mut byte = [0];
        assert_eq!(client.read(&mut byte).unwrap(), 1, "{}", response.escape_ascii());
        response.extend(byte);
    }
}

#[test]
fn worker_connections_are_limited() {
    for host in hosts() {
        let server = host.serve(&["--worker-connections", "1", "--keep-alive", "60"]);
        let mut first = TcpStream::connect(&server.address).unwrap();
        first.write_all(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nPo").unwrap();
        let mut second = TcpStream::connect(&server.address).unwrap();
        send_request(&mut second);
        second.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
        let error = second.read(&mut [0]).expect_err("no response");
        assert_eq!(error.kind(), ErrorKind::WouldBlock, "{} {:?}", host.app, host.arguments);
        second.set_read_timeout(None).unwrap();
        first.write_all(b"ng!").unwrap();
        read_response(&mut first);
        read_response(&mut second);
    }
}

#[test]
fn idle_connection_gives_way() {
    for host in hosts() {
        let server = host.serve(&["--worker-connections", "2", "--keep-alive", "60"]);
        let connect = || TcpStream::connect(&server.address).unwrap();
        let (mut first, mut second) = (connect(), connect());
        for client in [&mut first, &mut second] {
            send_request(client);
            read_response(client);
        }
        let mut third = connect();
        send_request(&mut third);
        read_response(&mut third);
        // A thread of the worker sends a response before the event loop notes that its connection is idle, so either of the
        // two may count as the longest idle one.
        wait_until("a connection that gives way", || is_closed(&first) || is_closed(&second));
        let mut open = if is_closed(&first) { second } else { first };
        send_request(&mut open);
        read_response(&mut open);
        // Nothing has arrived of the next ones.
        let silent = [connect(), connect(), connect()];
        let mut last = connect();
        send_request(&mut last);
        read_response(&mut last);
        drop(silent);
    }
}

fn is_closed(mut client: &TcpStream) -> bool {
    client.set_nonblocking(true).unwrap();
    let end = client.read(&mut [0]);
    client.set_nonblocking(false).unwrap();
    matches!(end, Ok(0))
}

/// On a unix socket, where a full backlog is an immediate error (listen(2)).
#[test]
fn backlog_limits_waiting_clients() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    for backlog in [1, 3] {
        let server =
            Server::with(&["--bind", &format!("unix:{}", path.display()), "--backlog", &backlog.to_string()], 1);
        let worker = server.workers[0];
        send_signal(worker, Signal::STOP);
        wait_until("a worker that stands still", || {
            let stat = fs::read_to_string(format!("/proc/{worker}/stat")).unwrap();
            stat.contains(") T ")
        });
        let mut waiting = Vec::new();
        let error = loop {
            let client = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
            client.set_nonblocking(true).unwrap();
            if let Err(error) = client.connect(&SockAddr::unix(&path).unwrap()) {
                break error;
            }
            waiting.push(client);
        };
        assert_eq!(error.kind(), ErrorKind::WouldBlock, "{error}");
        // Linux takes one more.
        assert_eq!(waiting.len(), backlog + 1);
        send_signal(worker, Signal::CONT);
        for client in waiting {
            client.set_nonblocking(false).unwrap();
            assert!(get(UnixStream::from(std::os::fd::OwnedFd::from(client)), "/pong").unwrap().ends_with("Pong!"));
        }
    }
}

#[test]
fn worker_tmp_dir_holds_the_scoreboard() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().to_str().unwrap();
    for host in hosts() {
        for (arguments, place) in [(&["--worker-tmp-dir", folder][..], folder), (&[], "/memfd:lab-scoreboard")] {
            let server = host.serve(arguments);
            // The worker has them in its memory by now, and the descriptor is closed.
            let files = fs::read_dir(format!("/proc/{}/fd", server.master.id())).unwrap();
            let files: Vec<_> = files.filter_map(|entry| fs::read_link(entry.unwrap().path()).ok()).collect();
            assert!(files.iter().any(|file| file.to_str().unwrap().starts_with(place)), "{place}: {files:?}");
        }
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_lab"));
    command.args(["serve", "--bind", "127.0.0.1:0", "--worker-tmp-dir", "/nowhere", "native:hello"]);
    let output = command.output().unwrap();
    assert!(!output.status.success());
    assert!(text(&output).contains("in worker_tmp_dir \"/nowhere\""), "{}", text(&output));
}
