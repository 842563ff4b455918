//! The servers, each with one worker as its documentation recommends, and the CPU time and memory that they use.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::environment::Environment;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Subject {
    Lab,
    Bjoern,
    Granian,
    Uwsgi,
    Sync,
    Gthread,
    Gevent,
    Waitress,
}

impl Subject {
    pub(super) const ALL: [Subject; 8] = [
        Subject::Lab,
        Subject::Bjoern,
        Subject::Granian,
        Subject::Uwsgi,
        Subject::Sync,
        Subject::Gthread,
        Subject::Gevent,
        Subject::Waitress,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Subject::Lab => "lab",
            Subject::Bjoern => "bjoern",
            Subject::Granian => "granian",
            Subject::Uwsgi => "uwsgi",
            Subject::Sync => "gunicorn sync",
            Subject::Gthread => "gunicorn gthread",
            Subject::Gevent => "gunicorn gevent",
            Subject::Waitress => "waitress",
        }
    }

    /// Its packages, the most important first.
    pub(super) fn packages(self) -> &'static [&'static str] {
        match self {
            Subject::Lab => &["lab-wsgi"],
            Subject::Bjoern => &["bjoern"],
            Subject::Granian => &["granian", "click"],
            Subject::Uwsgi => &["uwsgi"],
            Subject::Sync | Subject::Gthread => &["gunicorn", "packaging"],
            Subject::Gevent => &["gunicorn", "gevent", "greenlet", "zope.event", "zope.interface"],
            Subject::Waitress => &["waitress"],
        }
    }

    /// Why it cannot be measured, if it cannot: it is not installed, or it has no threads and the load needs some.
    pub(super) fn is_out(self, environment: &Environment, threads: usize) -> Option<String> {
        if let Some(reason) = self.packages().iter().find_map(|package| environment.missing(package)) {
            return Some(format!("not installed: {reason}"));
        }
        match self {
            Subject::Bjoern | Subject::Sync if threads > 1 => Some("answers one request at a time".to_owned()),
            _ => None,
        }
    }

    /// Serves an application with one worker that handles `threads` requests at a time.
    fn command(self, environment: &Environment, app: &str, threads: usize, port: u16) -> Command {
        let bind = format!("127.0.0.1:{port}");
        let count = threads.to_string();
        let program = |name: &str| Command::new(environment.program(name));
        let gunicorn = |class: &str| {
            let mut command = program("gunicorn");
            command.args(["--no-control-socket", "--log-level", "warning", "-k", class, "-w", "1", "-b", &bind]);
            command.arg("--keep-alive").arg("5");
            command
        };
        let mut command = match self {
            Subject::Lab => {
                let mut command = Command::new(env!("CARGO_BIN_EXE_lab"));
                command.arg("serve").arg("--venv").arg(&environment.folder).args(["-w", "1", "-b", &bind]);
                command.args(["--threads", &count]);
                command
            }
            Subject::Bjoern => {
                let mut command = program("python");
                command.args(["apps.py", app, &port.to_string()]);
                return command;
            }
            Subject::Granian => {
                let mut command = program("granian");
                command.args(["--interface", "wsgi", "--workers", "1", "--port", &port.to_string()]);
                command.args(["--http", "1", "--no-ws", "--no-log"]);
                if threads > 1 {
                    command.args(["--blocking-threads", &count]);
                }
                command
            }
            // Only its router keeps connections: a worker that speaks HTTP itself would belong to one client.
            Subject::Uwsgi => {
                let mut command = program("uwsgi");
                command.args(["--master", "--die-on-term", "--processes", "1", "--disable-logging", "--http", &bind]);
                command.args(["--http-keepalive", "--http-auto-chunked", "--add-header", "Connection: keep-alive"]);
                let inner = format!("@lab-bench-{port}");
                command.args(["--socket", &inner, "--http-to", &inner, "--listen", "100", "--module", app]);
                if threads > 1 {
                    command.args(["--threads", &count]);
                }
                return command;
            }
            Subject::Sync => gunicorn("sync"),
            Subject::Gthread => {
                let mut command = gunicorn("gthread");
                command.args(["--threads", if threads > 1 { &count } else { "4" }]);
                command
            }
            Subject::Gevent => gunicorn("gevent"),
            Subject::Waitress => {
                let mut command = program("waitress-serve");
                command.args(["--listen", &bind, "--connection-limit", "1000"]);
                if threads > 1 {
                    command.args(["--threads", &count]);
                }
                command
            }
        };
        command.arg(app);
        command
    }
}

/// A running server, on the first core.
pub(super) struct Running {
    pub(super) address: SocketAddr,
    child: Child,
}

impl Running {
    /// Starts a server and waits for its first response.
    pub(super) fn start(
        subject: Subject,
        environment: &Environment,
        app: &str,
        threads: usize,
    ) -> Result<Running, String> {
        let free = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr());
        let address = free.expect("a free port");
        let command = subject.command(environment, app, threads, address.port());
        let mut pinned = Command::new("taskset");
        pinned.args(["-c", "0"]).arg(command.get_program()).args(command.get_args());
        pinned.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/servers"));
        pinned.env("PYTHONDONTWRITEBYTECODE", "1").env_remove("VIRTUAL_ENV").env_remove("PYTHONPATH");
        pinned.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = pinned.spawn().map_err(|error| error.to_string())?;
        let mut running = Running { address, child };
        let begun = Instant::now();
        while !answers(address) {
            if let Ok(Some(status)) = running.child.try_wait() {
                return Err(format!("ended with {status}"));
            }
            if begun.elapsed() > Duration::from_secs(20) {
                return Err("did not answer within 20 s".to_owned());
            }
            std::thread::yield_now();
        }
        Ok(running)
    }

    /// CPU time of all threads of its processes, as the scheduler counts it.
    pub(super) fn cpu(&self) -> Duration {
        let of_thread = |thread: &fs::DirEntry| {
            let text = fs::read_to_string(thread.path().join("schedstat")).unwrap_or_default();
            text.split(' ').next().and_then(|nanoseconds| nanoseconds.parse().ok()).unwrap_or(0)
        };
        let threads = self
            .family()
            .into_iter()
            .flat_map(|pid| fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten());
        Duration::from_nanos(threads.map(|thread| of_thread(&thread)).sum())
    }

    /// The share of memory of all its processes, and of the one with the largest share, which is its worker; in KiB.
    pub(super) fn memory_kib(&self) -> (u64, u64) {
        let of_process = |pid: u32| -> u64 {
            let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
            let line = text.lines().find_map(|line| line.strip_prefix("Pss:"));
            line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
        };
        let shares: Vec<u64> = self.family().into_iter().map(of_process).collect();
        (shares.iter().sum(), shares.iter().copied().max().unwrap_or(0))
    }

    /// The process and all its descendants.
    fn family(&self) -> Vec<u32> {
        let mut family = vec![self.child.id()];
        let mut at = 0;
        while let Some(&pid) = family.get(at) {
            for thread in fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten() {
                let children = fs::read_to_string(thread.path().join("children")).unwrap_or_default();
                family.extend(children.split_whitespace().filter_map(|child| child.parse::<u32>().ok()));
            }
            at += 1;
        }
        family
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let begun = Instant::now();
        while let Ok(None) = self.child.try_wait() {
            if begun.elapsed() > Duration::from_secs(5) {
                _ = self.child.kill();
            }
            std::thread::yield_now();
        }
    }
}

/// Whether the response to a request is 200.
fn answers(address: SocketAddr) -> bool {
    let ask = || {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")?;
        let mut head = [0; 12];
        stream.read_exact(&mut head)?;
        std::io::Result::Ok(head.ends_with(b" 200"))
    };
    ask().unwrap_or(false)
}
