//! Programs that run under a [`guard`](super::guard). Closing their lifeline stops them.

use std::fs::File;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use command_fds::{CommandFdExt, FdMapping};
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use tokio::process::{Child, ChildStdin, ChildStdout};

use super::orphans;

/// The first inherited descriptor, as systemd's socket activation and gunicorn's `fd://3` count them.
pub const FIRST_INHERITED_FD: i32 = 3;

/// The backlog of a socket whose heir sets its own; gunicorn's default for `backlog`.
pub const DEFAULT_BACKLOG: i32 = 2048;

/// The backlog that nginx gives its sockets on Linux. For an inherited socket it assumes this one, and listens again only
/// where `listen … backlog=` says something else.
pub const NGINX_BACKLOG: i32 = 511;

/// A program to run under a guard.
#[derive(Debug)]
pub struct Program {
    /// The program and its arguments.
    pub command: Vec<String>,
    /// Variables set on top of lab's own environment.
    pub environment: Vec<(String, String)>,
    /// The working folder; `None` is the folder of its output.
    pub folder: Option<PathBuf>,
    /// Cores it may use; empty leaves them as they are.
    pub cores: Vec<u16>,
    /// How long it may take to stop before it is killed.
    pub grace: Duration,
    /// Listening sockets it inherits, from [`FIRST_INHERITED_FD`] on.
    pub sockets: Vec<ListeningSocket>,
    /// A file it reads as standard input.
    pub input: Option<PathBuf>,
    /// Where its standard output and error go.
    pub output: Output,
}

/// A keeper or reaper: lab itself in another role, without a guard of its own, because it owns no process.
#[derive(Debug, Clone)]
pub struct KeeperProgram {
    /// The role and its arguments.
    pub arguments: Vec<String>,
    /// The container engine it is to speak to, as `DOCKER_HOST` names it; `None` leaves that to its arguments and lab's own
    /// environment.
    pub engine: Option<String>,
    /// The file for its messages and its container's output.
    pub log: PathBuf,
    /// Whether lab reads its standard output.
    pub pipes_stdout: bool,
    /// How long it may take to clean up.
    pub deadline: Duration,
}

/// Variables that would redirect testcontainers, or its engine client, to another engine.
const OTHER_ENGINES: [&str; 5] =
    ["TESTCONTAINERS_COMMAND", "DOCKER_CONTEXT", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH", "DOCKER_DEFAULT_PLATFORM"];

/// How long the guard itself may take to kill and to reap. On a busy machine, a second was too short.
const GUARD_ALLOWANCE: Duration = Duration::from_secs(10);

/// Where a guarded program's output goes.
#[derive(Debug, Clone)]
pub enum Output {
    /// Both streams into one file.
    File(PathBuf),
    /// Standard output to lab, standard error into a file.
    Piped(PathBuf),
}

/// A loopback port that is bound and listening, and so cannot be taken by anyone else.
#[derive(Debug)]
pub struct ListeningSocket {
    socket: OwnedFd,
    address: SocketAddr,
}

impl ListeningSocket {
    /// Binds a free port of 127.0.0.1 and listens on it.
    ///
    /// # Errors
    /// When no port is free, or no descriptor.
    pub fn loopback() -> io::Result<ListeningSocket> {
        ListeningSocket::with_backlog(DEFAULT_BACKLOG)
    }

    /// The same, with at most `backlog` connections that wait to be accepted.
    ///
    /// # Errors
    /// As for [`loopback`](ListeningSocket::loopback).
    pub fn with_backlog(backlog: i32) -> io::Result<ListeningSocket> {
        // nginx does not make an inherited socket non-blocking: a worker would hang in accept() once another one has taken
        // the connection, or after the last one with `multi_accept`.
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = rustix::net::socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?;
        // As every server does before it binds. Sockets that nginx adds for `reuseport` share the port with this one.
        rustix::net::sockopt::set_socket_reuseaddr(&socket, true)?;
        rustix::net::bind(&socket, &SocketAddr::from(([127, 0, 0, 1], 0)))?;
        rustix::net::listen(&socket, backlog)?;
        let listener = TcpListener::from(socket);
        let address = listener.local_addr()?;
        Ok(ListeningSocket { socket: listener.into(), address })
    }

    /// The address it listens on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// A port that is bound without listening, held for a program that binds it by itself.
///
/// If both set SO_REUSEADDR (as servers do) or SO_REUSEPORT, the kernel lets the program bind and listen, and never hands
/// the port out as a free one. See socket(7).
#[derive(Debug)]
pub struct HeldPort {
    _socket: OwnedFd,
    address: SocketAddr,
}

impl HeldPort {
    /// Binds a free port of 127.0.0.1.
    ///
    /// # Errors
    /// When no port is free, or no descriptor.
    pub fn loopback() -> io::Result<HeldPort> {
        HeldPort::at(Ipv4Addr::LOCALHOST.into())
    }

    /// Binds a free port of an address of this machine.
    ///
    /// # Errors
    /// When the machine does not have the address, no port is free, or no descriptor.
    pub fn at(host: IpAddr) -> io::Result<HeldPort> {
        let family = if host.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let socket = rustix::net::socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
        rustix::net::sockopt::set_socket_reuseaddr(&socket, true)?;
        rustix::net::sockopt::set_socket_reuseport(&socket, true)?;
        rustix::net::bind(&socket, &SocketAddr::new(host, 0))?;
        let address = SocketAddr::try_from(rustix::net::getsockname(&socket)?)?;
        Ok(HeldPort { _socket: socket, address })
    }

    /// The address that is held.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// A running program. Dropping it lets its guard stop it in the background; [`stop`](Guarded::stop) waits for that.
#[derive(Debug)]
pub struct Guarded {
    guard: Child,
    lifeline: Option<ChildStdin>,
    log: PathBuf,
    grace: Duration,
}

impl Guarded {
    /// Starts a program under a guard of its own. `lab` is the path of the lab binary that plays the guard.
    ///
    /// # Errors
    /// When the log cannot be created, the input does not exist, or the process cannot be started.
    pub fn start(lab: &Path, program: Program) -> io::Result<Guarded> {
        let (stdout, stderr, log) = match &program.output {
            Output::File(path) => {
                let file = File::create(path)?;
                (Stdio::from(file.try_clone()?), Stdio::from(file), path.clone())
            }
            Output::Piped(path) => (Stdio::piped(), Stdio::from(File::create(path)?), path.clone()),
        };
        let mut command = std::process::Command::new(lab);
        command.arg("guard").arg("--grace-ms").arg(program.grace.as_millis().to_string());
        if !program.cores.is_empty() {
            let cores: Vec<String> = program.cores.iter().map(u16::to_string).collect();
            command.arg("--cores").arg(cores.join(","));
        }
        if let Some(input) = &program.input {
            command.arg("--input").arg(input);
        }
        command.arg("--").args(&program.command).envs(program.environment);
        // Not where lab was started: gunicorn, for one, reads a gunicorn.conf.py that lies there.
        if let Some(folder) = program.folder.as_deref().or(log.parent()) {
            command.current_dir(folder);
        }
        let inherited = (FIRST_INHERITED_FD..).zip(program.sockets);
        let mappings = inherited.map(|(child_fd, socket)| FdMapping { parent_fd: socket.socket, child_fd }).collect();
        command.fd_mappings(mappings).map_err(io::Error::other)?;
        // A group of its own keeps the terminal's Ctrl-C away from it: lab stops it in its own order.
        let mut command = tokio::process::Command::from(command);
        command.process_group(0).stdin(Stdio::piped()).stdout(stdout).stderr(stderr);
        let mut guard = command.spawn()?;
        let lifeline = guard.stdin.take();
        guard.id().into_iter().for_each(orphans::enter);
        Ok(Guarded { guard, lifeline, log, grace: program.grace })
    }

    /// Starts a keeper or a reaper in place of a guard.
    ///
    /// # Errors
    /// When the log cannot be created, or the process cannot be started.
    pub fn keep(lab: &Path, kept: KeeperProgram) -> io::Result<Guarded> {
        let mut command = tokio::process::Command::new(lab);
        command.args(&kept.arguments);
        if let Some(engine) = &kept.engine {
            command.env("DOCKER_HOST", engine);
            for name in OTHER_ENGINES {
                command.env_remove(name);
            }
        }
        let stdout = if kept.pipes_stdout { Stdio::piped() } else { Stdio::null() };
        let stderr = Stdio::from(File::create(&kept.log)?);
        // As for guards: lab handles Ctrl-C.
        command.process_group(0).stdin(Stdio::piped()).stdout(stdout).stderr(stderr);
        let mut guard = command.spawn()?;
        let lifeline = guard.stdin.take();
        guard.id().into_iter().for_each(orphans::enter);
        Ok(Guarded { guard, lifeline, log: kept.log, grace: kept.deadline })
    }

    /// The guard's process id; the program and all it starts are its descendants. `None` once it has ended.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.guard.id()
    }

    /// Where the program's output is.
    #[must_use]
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// The program's standard output, once, if it is [`Output::Piped`].
    pub fn take_stdout(&mut self) -> Option<ChildStdout> {
        self.guard.stdout.take()
    }

    /// The program's end, if it has ended.
    ///
    /// # Errors
    /// When the kernel cannot say.
    pub fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        let pid = self.guard.id();
        let ended = self.guard.try_wait()?;
        if let Some(status) = ended {
            on_end(pid, status);
        }
        Ok(ended)
    }

    /// Stops the program and waits until it and everything it started are gone.
    ///
    /// # Errors
    /// When the kernel cannot say, or the guard itself hangs and had to be killed.
    pub async fn stop(mut self) -> io::Result<ExitStatus> {
        self.lifeline = None;
        let pid = self.guard.id();
        // The guard kills after its grace.
        match tokio::time::timeout(self.grace + GUARD_ALLOWANCE, self.guard.wait()).await {
            Ok(status) => {
                let status = status?;
                on_end(pid, status);
                Ok(status)
            }
            Err(_) => {
                self.guard.kill().await?;
                pid.into_iter().for_each(orphans::remove);
                orphans::end();
                Err(io::Error::new(io::ErrorKind::TimedOut, "the guard did not end in time and was killed"))
            }
        }
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        // Nobody will ask again whether it was killed.
        let _ = self.try_wait();
    }
}

/// A guard that was killed has left its program's daemons to lab.
fn on_end(guard: Option<u32>, status: ExitStatus) {
    let Some(guard) = guard else { return };
    orphans::remove(guard);
    if status.signal().is_some() {
        orphans::end();
    }
}
