//! A running `lab serve` and its log.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

/// Far longer than anything here takes; nothing waits this long unless it is broken.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running `lab serve`.
pub(crate) struct Server {
    pub(super) master: Child,
    log: Receiver<String>,
    /// `HOST:PORT`
    pub(crate) address: String,
    /// The workers that were ready when the server was.
    pub(crate) workers: Vec<u32>,
}

impl Server {
    pub(crate) fn start(workers: usize) -> Server {
        Server::with(&[], workers)
    }

    /// With further arguments.
    pub(super) fn with(arguments: &[&str], workers: usize) -> Server {
        Server::from_command(Server::command().args(arguments), workers)
    }

    /// A command that starts a server on a free port.
    pub(super) fn command() -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lab"));
        command.args(["serve", "--bind", "127.0.0.1:0"]);
        command
    }

    pub(super) fn from_command(command: &mut Command, workers: usize) -> Server {
        Server::of(command, workers, "native:hello")
    }

    /// With an application and a number of workers.
    pub(crate) fn of(command: &mut Command, workers: usize, app: &str) -> Server {
        if workers != 1 {
            command.args(["--workers", &workers.to_string()]);
        }
        let mut server = Server::spawn(command.arg(app));
        server.workers = (0..workers).map(|_| server.wait_for_worker()).collect();
        server
    }

    /// Any server that logs its address as gunicorn does.
    pub(super) fn spawn(command: &mut Command) -> Server {
        let mut master = command.stderr(Stdio::piped()).spawn().expect("the server starts");
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
        let line = server.wait_for("Listening at: ");
        let address = line.split("://").nth(1).unwrap_or_default();
        server.address = address.split([' ', ',']).next().unwrap_or_default().to_owned();
        server
    }

    /// The next line of the log with `text`.
    pub(super) fn wait_for(&self, text: &str) -> String {
        loop {
            let line =
                self.log.recv_timeout(PATIENCE).unwrap_or_else(|error| panic!("no {text:?} in the log: {error}"));
            if line.contains(text) {
                return line;
            }
        }
    }

    /// The next line of the log; an error once no process writes to it any more.
    pub(super) fn next_line(&self) -> Result<String, RecvTimeoutError> {
        self.log.recv_timeout(PATIENCE)
    }

    /// The next worker that is ready.
    pub(crate) fn wait_for_worker(&self) -> u32 {
        let line = self.wait_for("is ready");
        line.rsplit(' ').nth(2).and_then(|pid| pid.parse().ok()).unwrap_or_else(|| panic!("no worker in {line:?}"))
    }

    /// Waits until no process writes to the log any more: until master and workers are all gone.
    pub(super) fn wait_until_all_are_gone(&self) {
        loop {
            match self.log.recv_timeout(PATIENCE) {
                Ok(_) => {}
                Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => panic!("a process is still there"),
            }
        }
    }

    pub(super) fn get_pong(&self) -> String {
        let client = TcpStream::connect(&self.address).expect("the server listens");
        get(client, "/pong").expect("the server answers")
    }

    /// A connection whose request a worker is working on: its app waits for the five bytes of the body.
    pub(super) fn request_in_flight(&self) -> TcpStream {
        let mut client = TcpStream::connect(&self.address).expect("the server listens");
        let head = "POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";
        client.write_all(head.as_bytes()).expect("the server reads");
        let mut interim = [0; "HTTP/1.1 100 Continue\r\n\r\n".len()];
        client.read_exact(&mut interim).expect("the server answers");
        assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
        client
    }

    /// The process id of the master.
    pub(crate) fn id(&self) -> u32 {
        self.master.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.master), signal).expect("the master is there");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Ends the master of a test that failed; the workers die with it, but a new arbiter would go on.
        new_arbiter(self.master.id()).into_iter().for_each(kill);
        let _ = self.master.kill();
        let _ = self.master.wait();
    }
}

/// Requests `path` and reads the response to its end.
pub(crate) fn get(mut client: impl Read + Write, path: &str) -> std::io::Result<String> {
    write!(client, "GET {path} HTTP/1.1\r\nHost: a\r\nUser-Agent: test\r\nConnection: close\r\n\r\n")?;
    let mut response = String::new();
    client.read_to_string(&mut response)?;
    Ok(response)
}

pub(super) fn kill(pid: u32) {
    send_signal(pid, Signal::KILL);
}

/// The arbiter that an upgrade of this one has started.
pub(crate) fn new_arbiter(arbiter: u32) -> Option<u32> {
    children(arbiter).into_iter().find(|pid| has_title(*pid, "lab: master"))
}

/// The workers of an arbiter. Those with Python are children of its fork server.
pub(crate) fn workers(arbiter: u32) -> Vec<u32> {
    let all = children(arbiter).into_iter().flat_map(|child| [vec![child], children(child)].concat());
    all.filter(|pid| has_title(*pid, "lab: worker")).collect()
}

fn children(pid: u32) -> Vec<u32> {
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    children.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}

fn has_title(pid: u32, title: &str) -> bool {
    std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.starts_with(title.as_bytes()))
}

/// Sends a signal to a process.
pub(crate) fn send_signal(pid: u32, signal: Signal) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).expect("a process id");
    kill_process(pid, signal).expect("the process is there");
}
