//! The processes of `lab serve`: how they come, go and are replaced.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use command_fds::{CommandFdExt, FdMapping};
use rustix::process::{Pid, Signal, kill_process};

/// Far longer than anything here takes; nothing waits this long unless it is broken.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running `lab serve native:hello`.
pub(crate) struct Server {
    master: Child,
    log: Receiver<String>,
    /// `HOST:PORT`
    pub(crate) address: String,
    /// The workers that were ready when the server was.
    pub(crate) workers: Vec<u32>,
}

impl Server {
    pub(crate) fn start(workers: usize) -> Server {
        Server::from_command(Command::new(env!("CARGO_BIN_EXE_lab")).args(["serve", "--bind", "127.0.0.1:0"]), workers)
    }

    fn from_command(command: &mut Command, workers: usize) -> Server {
        command.args(["--workers", &workers.to_string(), "native:hello"]);
        let mut master = command.stderr(Stdio::piped()).spawn().expect("lab starts");
        let stderr = BufReader::new(master.stderr.take().expect("piped"));
        let (lines, log) = channel();
        std::thread::spawn(move || {
            for line in stderr.lines() {
                let line = line.expect("the log is text");
                eprintln!("{line}");
                if lines.send(line).is_err() {
                    break;
                }
            }
        });
        let mut server = Server { master, log, address: String::new(), workers: Vec::new() };
        server.address = server.wait_for("at http://").split("http://").nth(1).expect("an address").to_owned();
        server.workers = (0..workers).map(|_| server.wait_for_worker()).collect();
        server
    }

    /// The next line of the log that holds `text`.
    fn wait_for(&self, text: &str) -> String {
        loop {
            let line =
                self.log.recv_timeout(PATIENCE).unwrap_or_else(|error| panic!("no {text:?} in the log: {error}"));
            if line.contains(text) {
                return line;
            }
        }
    }

    /// The next worker that is ready.
    fn wait_for_worker(&self) -> u32 {
        let line = self.wait_for("is ready");
        line.rsplit(' ').nth(2).and_then(|pid| pid.parse().ok()).unwrap_or_else(|| panic!("no worker in {line:?}"))
    }

    /// Waits until no process writes to the log any more: until master and workers are all gone.
    fn wait_until_all_are_gone(&self) {
        loop {
            match self.log.recv_timeout(PATIENCE) {
                Ok(_) => {}
                Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => panic!("a process is still there"),
            }
        }
    }

    fn get_pong(&self) -> String {
        let mut client = TcpStream::connect(&self.address).expect("the server listens");
        client.write_all(b"GET /pong HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").expect("the server reads");
        let mut answer = String::new();
        client.read_to_string(&mut answer).expect("the server answers");
        answer
    }

    /// A connection whose request a worker is working on: its app waits for the five bytes of the body.
    fn request_in_flight(&self) -> TcpStream {
        let mut client = TcpStream::connect(&self.address).expect("the server listens");
        let head = "POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";
        client.write_all(head.as_bytes()).expect("the server reads");
        let mut interim = [0; "HTTP/1.1 100 Continue\r\n\r\n".len()];
        client.read_exact(&mut interim).expect("the server answers");
        assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
        client
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.master), signal).expect("the master is there");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Ends the master of a test that failed; the workers die with it.
        let _ = self.master.kill();
        let _ = self.master.wait();
    }
}

fn kill(pid: u32) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).expect("a process id");
    kill_process(pid, Signal::KILL).expect("the process is there");
}

#[test]
fn a_worker_that_dies_is_replaced() {
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
fn a_worker_goes_by_the_name_of_lab() {
    let server = Server::start(1);
    let name = std::fs::read_to_string(format!("/proc/{}/comm", server.workers[0])).unwrap();
    assert_eq!(name, "lab\n");
}

#[test]
fn sigterm_lets_requests_in_flight_finish() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lab"));
    command.args(["serve", "--bind", "127.0.0.1:0", "--keep-alive", "30"]);
    let mut server = Server::from_command(&mut command, 1);
    let mut client = server.request_in_flight();
    let mut idle = TcpStream::connect(&server.address).unwrap();
    idle.write_all(b"GET /pong HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"Pong!") {
        let mut byte = [0];
        idle.read_exact(&mut byte).unwrap();
        answer.extend(byte);
    }
    server.signal(Signal::TERM);
    // The idle connection is closed while the other one is still in use.
    assert_eq!(idle.read(&mut [0]).unwrap(), 0);
    client.write_all(b"Hello").unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains("\r\nConnection: close\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\nHello"), "{answer}");
    assert_eq!(server.master.wait().unwrap().code(), Some(0));
    server.wait_until_all_are_gone();
    assert!(TcpStream::connect(&server.address).is_err());
}

#[test]
fn sigterm_waits_no_longer_than_it_is_told() {
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
fn sigint_and_sigquit_wait_for_nobody() {
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
fn a_master_that_is_killed_leaves_no_worker() {
    let server = Server::start(2);
    server.signal(Signal::KILL);
    server.wait_until_all_are_gone();
    assert!(TcpStream::connect(&server.address).is_err());
}

#[test]
fn an_inherited_socket_is_served() {
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
fn what_cannot_be_served_is_said_at_once() {
    let cases = [
        (&["native:nobody"][..], 1, "there is no application \"native:nobody\"; there is: native:hello"),
        (&["--bind", "nowhere", "native:hello"], 1, "cannot listen on \"nowhere\": neither HOST:PORT"),
        (&["--bind", "fd://0", "native:hello"], 3, "descriptor 0 is not a listening TCP socket"),
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
fn a_worker_without_its_master_does_not_boot() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lab"));
    let arguments = ["serve-worker", "native:hello", "--master", "1", "--graceful-timeout", "1", "--keep-alive", "1"];
    let output = command.args(arguments).output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "lab: the master is gone\n");
}
