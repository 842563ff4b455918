//! What is held at a time, and where: connections, those that wait to be, and the scoreboards of workers.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::process::Command;

use rustix::process::Signal;
use socket2::{Domain, SockAddr, Socket, Type};

use super::hosts::hosts;
use super::server::{Server, get, tell};
use crate::support::{text, wait_until};

fn ask(client: &mut TcpStream) {
    client.write_all(b"GET /pong HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
}

fn answer(client: &mut TcpStream) {
    let mut answer = Vec::new();
    while !answer.ends_with(b"Pong!") {
        let mut byte = [0];
        assert_eq!(client.read(&mut byte).unwrap(), 1, "{}", answer.escape_ascii());
        answer.extend(byte);
    }
}

#[test]
fn worker_connections_are_limited() {
    for host in hosts() {
        let server = host.serve(&["--worker-connections", "1", "--keep-alive", "60"]);
        let mut first = TcpStream::connect(&server.address).unwrap();
        ask(&mut first);
        answer(&mut first);
        let mut second = TcpStream::connect(&server.address).unwrap();
        ask(&mut second);
        // A worker that looks at its sockets for each of these would have seen the other one long since.
        for _ in 0..20 {
            ask(&mut first);
            answer(&mut first);
        }
        second.set_nonblocking(true).unwrap();
        let error = second.read(&mut [0]).expect_err("no answer");
        assert_eq!(error.kind(), ErrorKind::WouldBlock, "{} {:?}", host.app, host.arguments);
        second.set_nonblocking(false).unwrap();
        drop(first);
        answer(&mut second);
    }
}

/// On a unix socket, since there the system says at once that nobody else may wait (listen(2)).
#[test]
fn backlog_limits_waiting_clients() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    for backlog in [1, 3] {
        let server =
            Server::with(&["--bind", &format!("unix:{}", path.display()), "--backlog", &backlog.to_string()], 1);
        let worker = server.workers[0];
        tell(worker, Signal::STOP);
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
        tell(worker, Signal::CONT);
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
