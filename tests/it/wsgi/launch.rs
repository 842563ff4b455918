//! Starts a worker as an arbiter does: the listening socket, the settings and the scoreboard as descriptors.

use std::io::{BufRead, BufReader, Read, Seek, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use command_fds::{CommandFdExt, FdMapping};
use lab_worker::bootstrap::{InheritedSocket, SCOREBOARD_FD, SETTINGS_FD, WorkerSettings};
use lab_worker::scoreboard::{SIZE, Scoreboard};
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::process::{Pid, Signal, kill_process};

use crate::support::wait_until;

/// Far longer than anything here takes; nothing waits this long unless it is broken.
const PATIENCE: Duration = Duration::from_secs(30);

/// A worker process.
pub(super) struct Worker {
    process: Child,
    pub(super) address: SocketAddr,
    /// A second handle on the listening socket, as the arbiter keeps one.
    _listener: TcpListener,
    scoreboard: std::fs::File,
    log: Receiver<String>,
}

/// A document with everything but the application left at its default.
pub(super) fn settings(app: &str) -> WorkerSettings {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/wsgi/apps");
    let mut settings: WorkerSettings =
        serde_json::from_value(serde_json::json!({ "app": app, "arbiter": std::process::id(), "sockets": [] }))
            .expect("settings");
    settings.chdir = Some(folder);
    settings
}

impl Worker {
    /// Starts a worker, and waits until it is ready.
    pub(super) fn start(python: &Path, settings: WorkerSettings) -> Worker {
        let mut worker = Worker::spawn(python, settings, Vec::new());
        worker.wait_for("is ready");
        worker
    }

    /// Starts a worker that also inherits `others`, from descriptor 10 on.
    pub(super) fn spawn(python: &Path, settings: WorkerSettings, others: Vec<OwnedFd>) -> Worker {
        Worker::launch(python, settings, others, &[])
    }

    /// Starts a worker with `variables` in its environment.
    pub(super) fn spawn_in(python: &Path, settings: WorkerSettings, variables: &[(&str, &str)]) -> Worker {
        Worker::launch(python, settings, Vec::new(), variables)
    }

    fn launch(python: &Path, mut settings: WorkerSettings, others: Vec<OwnedFd>, variables: &[(&str, &str)]) -> Worker {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        settings.sockets.push(InheritedSocket { fd: 3, address: address.to_string() });
        let mut document = std::fs::File::from(memfd_create("settings", MemfdFlags::CLOEXEC).expect("a memfd"));
        serde_json::to_writer(&mut document, &settings).expect("a document");
        document.rewind().expect("a file");
        let scoreboard = std::fs::File::from(memfd_create("scoreboard", MemfdFlags::CLOEXEC).expect("a memfd"));
        scoreboard.set_len(SIZE as u64).expect("a file");

        let mut command = Command::new(python);
        command.args(["-m", "lab_wsgi"]).env(SETTINGS_FD, "4").env(SCOREBOARD_FD, "5").env_remove("SCRIPT_NAME");
        command.env("PYTHONDONTWRITEBYTECODE", "1").envs(variables.iter().copied());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut inherited = vec![
            OwnedFd::from(listener.try_clone().expect("a handle")),
            OwnedFd::from(document),
            OwnedFd::from(scoreboard.try_clone().expect("a handle")),
        ];
        let numbers = (3..6).chain(10..);
        inherited.extend(others);
        let mappings = inherited.into_iter().zip(numbers);
        let mappings = mappings.map(|(parent_fd, child_fd)| FdMapping { parent_fd, child_fd }).collect();
        command.fd_mappings(mappings).expect("numbers that do not collide");
        let mut process = command.spawn().expect("python starts");

        let (lines, log) = channel();
        let streams: [Box<dyn Read + Send>; 2] =
            [Box::new(process.stdout.take().expect("piped")), Box::new(process.stderr.take().expect("piped"))];
        for stream in streams {
            let lines = lines.clone();
            std::thread::spawn(move || {
                for line in BufReader::new(stream).lines().map_while(Result::ok) {
                    eprintln!("{line}");
                    if lines.send(line).is_err() {
                        break;
                    }
                }
            });
        }
        Worker { process, address, _listener: listener, scoreboard, log }
    }

    /// The next line of the log that contains `text`.
    pub(super) fn wait_for(&mut self, text: &str) -> String {
        loop {
            let line =
                self.log.recv_timeout(PATIENCE).unwrap_or_else(|error| panic!("no {text:?} in the log: {error}"));
            if line.contains(text) {
                return line;
            }
        }
    }

    /// The rest of the log, until the worker has ended.
    pub(super) fn last_words(&mut self) -> String {
        let mut printed = String::new();
        while let Ok(line) = self.log.recv_timeout(PATIENCE) {
            printed.push_str(&line);
            printed.push('\n');
        }
        printed
    }

    pub(super) fn pid(&self) -> Pid {
        Pid::from_child(&self.process)
    }

    pub(super) fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).expect("the worker lives");
    }

    /// Waits for its end.
    pub(super) fn end(&mut self) -> ExitStatus {
        wait_until("the worker ends", || self.process.try_wait().expect("a child"))
    }

    pub(super) fn scoreboard(&self) -> Scoreboard {
        let mut page = [0; SIZE];
        self.scoreboard.read_exact_at(&mut page, 0).expect("the scoreboard");
        Scoreboard::decode(&page).expect("a whole scoreboard")
    }

    /// Page faults so far that needed no disk (proc(5): `minflt`).
    pub(super) fn faults(&self) -> u64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.process.id())).expect("the worker lives");
        let behind_name = stat.rsplit_once(')').expect("a name").1;
        behind_name.split_whitespace().nth(7).and_then(|number| number.parse().ok()).expect("a number")
    }

    pub(super) fn connect(&self) -> TcpStream {
        let client = TcpStream::connect(self.address).expect("the worker listens");
        client.set_read_timeout(Some(PATIENCE)).expect("a socket");
        client
    }

    /// Sends `request`, closes the writing side, and returns everything that is received.
    pub(super) fn exchange(&self, request: &[u8]) -> Vec<u8> {
        let mut client = self.connect();
        client.write_all(request).expect("the worker reads");
        client.shutdown(Shutdown::Write).expect("a socket");
        let mut response = Vec::new();
        client.read_to_end(&mut response).expect("the worker closes in order");
        response
    }

    /// The body of the response to a GET request, which must be a 200. The request is HTTP/1.0, which has no chunks.
    pub(super) fn get(&self, path: &str) -> String {
        let request = format!("GET {path} HTTP/1.0\r\nHost: a\r\n\r\n");
        let response = String::from_utf8_lossy(&self.exchange(request.as_bytes())).into_owned();
        assert!(response.starts_with("HTTP/1.1 200 "), "{path}: {response}");
        response.split_once("\r\n\r\n").expect("a head").1.to_owned()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // One that has ended already need not be killed.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
