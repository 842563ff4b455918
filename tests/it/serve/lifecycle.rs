//! The processes of `lab serve`: how they come, go and are replaced.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};

use command_fds::{CommandFdExt, FdMapping};
use lab::exit::Exit;
use rustix::process::Signal;

use super::server::{Server, kill};
use crate::support::assert_exit;

#[test]
fn dead_worker_is_replaced() {
    let server = Server::start(2);
    kill(server.workers[0]);
    server.wait_for("was ended by signal 9");
    let replacement = server.wait_for_worker();
    assert!(!server.workers.contains(&replacement));
    kill(server.workers[1]);
    server.wait_for_worker();
    assert!(server.get_pong().ends_with("Pong!"));
}

#[test]
fn worker_process_is_named_lab() {
    let server = Server::start(1);
    let name = std::fs::read_to_string(format!("/proc/{}/comm", server.workers[0])).unwrap();
    assert_eq!(name, "lab\n");
}

#[test]
fn sigterm_finishes_requests_in_flight() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lab"));
    command.args(["serve", "--bind", "127.0.0.1:0", "--keep-alive", "30"]);
    let mut server = Server::from_command(&mut command, 1);
    let mut client = server.request_in_flight();
    let mut idle = TcpStream::connect(&server.address).unwrap();
    idle.write_all(b"GET /pong HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let mut response = Vec::new();
    while !response.ends_with(b"Pong!") {
        let mut byte = [0];
        idle.read_exact(&mut byte).unwrap();
        response.extend(byte);
    }
    server.signal(Signal::TERM);
    // The idle connection is closed while the other one is still in use.
    assert_eq!(idle.read(&mut [0]).unwrap(), 0);
    client.write_all(b"Hello").unwrap();
    let mut response = String::new();
    client.read_to_string(&mut response).unwrap();
    assert!(
        response.starts_with("HTTP/1.1 200 OK\r\n") && response.contains("\r\nConnection: close\r\n"),
        "{response}"
    );
    assert!(response.ends_with("\r\n\r\nHello"), "{response}");
    assert_eq!(server.master.wait().unwrap().code(), Some(0));
    server.wait_until_all_are_gone();
    assert!(TcpStream::connect(&server.address).is_err());
}

#[test]
fn graceful_timeout_bounds_sigterm() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lab"));
    command.args(["serve", "--bind", "127.0.0.1:0", "--graceful-timeout", "0"]);
    let mut server = Server::from_command(&mut command, 1);
    let mut client = server.request_in_flight();
    server.signal(Signal::TERM);
    server.wait_for("1 connections did not end within 0ns");
    assert_eq!(server.master.wait().unwrap().code(), Some(0));
    assert_eq!(client.read_to_end(&mut Vec::new()).unwrap_or(0), 0);
}

#[test]
fn sigint_and_sigquit_end_at_once() {
    for signal in [Signal::INT, Signal::QUIT] {
        let mut server = Server::start(1);
        let mut client = server.request_in_flight();
        server.signal(signal);
        assert_eq!(server.master.wait().unwrap().code(), Some(0));
        server.wait_until_all_are_gone();
        assert_eq!(client.read_to_end(&mut Vec::new()).unwrap_or(0), 0);
    }
}

#[test]
fn killed_arbiter_leaves_no_worker() {
    let server = Server::start(2);
    server.signal(Signal::KILL);
    server.wait_until_all_are_gone();
    assert!(TcpStream::connect(&server.address).is_err());
}

#[test]
fn inherited_socket_is_served() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let mut command = Command::new(env!("CARGO_BIN_EXE_lab"));
    command.args(["serve", "--bind", "fd://5"]);
    command.fd_mappings(vec![FdMapping { parent_fd: listener.into(), child_fd: 5 }]).unwrap();
    let server = Server::from_command(&mut command, 1);
    assert_eq!(server.address, address);
    assert!(server.get_pong().ends_with("Pong!"));
}

#[test]
fn start_errors_are_reported_at_once() {
    let cases = [
        (&["native:nobody"][..], 1, "there is no application \"native:nobody\"; expected one of native:hello"),
        (&["--bind", "a:b", "native:hello"], 1, "cannot listen on \"a:b\": neither HOST, HOST:PORT"),
        (&["--bind", "fd://0", "native:hello"], 3, "descriptor 0 is not a listening TCP or unix socket"),
        (&["--bind", "fd://99", "native:hello"], 3, "cannot take over descriptor 99: "),
    ];
    for (arguments, code, message) in cases {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lab"));
        let output = command.arg("serve").args(arguments).stdin(Stdio::null()).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{stderr}");
        assert!(stderr.contains(message), "{stderr}");
    }
}

#[test]
fn worker_without_an_arbiter_does_not_boot() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lab"));
    let output = command.arg("serve-worker").stdin(Stdio::null()).output().unwrap();
    assert_exit(&output, Exit::CouldNotRun);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.starts_with("lab: cannot transfer the bootstrap document: "), "{stderr}");
}
