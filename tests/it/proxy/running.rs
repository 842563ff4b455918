//! A running `lab proxy`, or its twin, with a listening socket that the test bound.

use std::ffi::OsString;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use command_fds::{CommandFdExt as _, FdMapping};

use super::case::Step;
use super::client::{ClientConfigs, ClientStream};
use super::http2::script;

/// Nothing takes this long unless it is stuck.
pub(crate) const STUCK: Duration = Duration::from_secs(20);

#[derive(Debug)]
pub(crate) struct Proxy {
    child: Child,
    /// The first one, if it listens on several ports.
    pub(crate) address: SocketAddr,
    folder: PathBuf,
    /// Removes the folder.
    _parent: tempfile::TempDir,
    /// The other end of its standard output, which ends when the last of its processes does.
    alive: UnixStream,
    /// How long a client waits for its next bytes.
    patience: Duration,
}

/// Which of the twins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Program {
    Lab,
    /// lab with `--nginx-version`.
    LabOfVersion(&'static str),
    Nginx,
}

/// Where Debian's package puts it.
pub(crate) const NGINX: &str = "/usr/sbin/nginx";

/// Where a proxy starts.
#[derive(Debug, Clone, Default)]
pub(crate) struct StartOptions {
    /// How many ports `{listen}` stands for beside the first, which they follow.
    pub(crate) further_ports: u16,
    /// The name of the configuration's folder, if it matters.
    pub(crate) folder_name: OsString,
}

impl Proxy {
    /// Starts `lab proxy` on a configuration in which `{listen}` stands for its address and `{folder}` for its folder.
    pub(super) fn start(configuration: &str) -> Proxy {
        Proxy::start_as(Program::Lab, configuration, |_, _| ())
    }

    /// Starts lab or nginx in a folder that `prepare` has filled for its address.
    pub(crate) fn start_as(program: Program, configuration: &str, prepare: impl FnOnce(&Path, &str)) -> Proxy {
        Proxy::start_with(program, &StartOptions::default(), configuration, prepare)
    }

    /// As [`start_as`](Proxy::start_as), with options.
    pub(crate) fn start_with(
        program: Program,
        options: &StartOptions,
        configuration: &str,
        prepare: impl FnOnce(&Path, &str),
    ) -> Proxy {
        let parent = tempfile::tempdir().expect("a folder");
        let folder = parent.path().join(&options.folder_name);
        std::fs::create_dir_all(&folder).expect("a folder");
        let sockets = consecutive_ports(options.further_ports);
        let address = sockets[0].local_addr().expect("an address");
        let listen = match options.further_ports {
            0 => address.to_string(),
            further => format!("{address}-{}", address.port() + further),
        };
        prepare(&folder, &listen);
        let file = folder.join("nginx.conf");
        std::fs::write(&file, filled(configuration, &listen, &folder)).expect("a configuration");
        let mut command = match program {
            Program::Nginx => Command::new(NGINX),
            Program::Lab | Program::LabOfVersion(_) => {
                let mut command = Command::new(env!("CARGO_BIN_EXE_lab"));
                command.arg("proxy");
                if let Program::LabOfVersion(version) = program {
                    command.args(["--nginx-version", version]);
                }
                command
            }
        };
        if program == Program::Nginx && rustix::process::geteuid().is_root() {
            // its workers have to get into the folder
            command.args(["-g", "user root;"]);
        }
        let descriptors = || (3..).take(sockets.len());
        let inherited: String = descriptors().map(|descriptor| format!("{descriptor};")).collect();
        command.arg("-c").arg(&file).arg("-p").arg(&folder).env("NGINX", inherited);
        let (alive, stdout) = UnixStream::pair().expect("two sockets");
        command
            .stdin(Stdio::null())
            .stdout(OwnedFd::from(stdout))
            .stderr(std::fs::File::create(folder.join("stderr")).expect("a file"));
        let mappings = descriptors().zip(sockets);
        let mappings = mappings.map(|(child_fd, socket)| FdMapping { parent_fd: OwnedFd::from(socket), child_fd });
        command.fd_mappings(mappings.collect()).expect("no collision");
        let child = command.spawn().expect("the proxy starts");
        // the parent's copies of the sockets go with the command
        drop(command);
        // nginx is known to wait for ever in some cases
        let patience = if program == Program::Nginx { STUCK / 5 } else { STUCK };
        Proxy { child, address, folder, _parent: parent, alive, patience }
    }

    pub(crate) fn connect(&self) -> TcpStream {
        self.connect_behind(0)
    }

    /// Connects to the port that is this far behind the first.
    fn connect_behind(&self, distance: u16) -> TcpStream {
        let address = SocketAddr::new(self.address.ip(), self.address.port() + distance);
        let stream = TcpStream::connect(address).expect("the proxy listens");
        stream.set_read_timeout(Some(self.patience)).expect("a timeout");
        stream.set_write_timeout(Some(self.patience)).expect("a timeout");
        stream
    }

    /// Sends bytes and reads until the proxy closes the connection.
    pub(super) fn converse(&self, bytes: &[u8]) -> Vec<u8> {
        let mut stream = self.connect();
        // a refusal may close the connection before all was written
        _ = stream.write_all(bytes);
        read_to_end(&mut stream).0
    }

    /// Runs all steps of a client.
    pub(crate) fn converse_in_steps(&self, steps: &[Step]) -> Vec<Conversation> {
        let mut configs = ClientConfigs::default();
        let of_one_connection = |own: &Step, next: &Step| own.frames.is_none() && !next.reconnects;
        let connections = steps.chunk_by(of_one_connection).map(|steps| {
            let connected = self.connect_behind(steps[0].port);
            let (stream, handshake) = match &steps[0].tls {
                None => (ClientStream::Plain(connected), None),
                Some(tls) => {
                    let (stream, outcome) = configs.handshake(tls, connected);
                    (stream, Some(outcome))
                }
            };
            match &steps[0].frames {
                Some(frames) => script::converse(stream, frames, handshake),
                None => converse(stream, steps, handshake),
            }
        });
        connections.collect()
    }

    pub(crate) fn read(&self, file: &str) -> String {
        std::fs::read_to_string(self.folder.join(file)).unwrap_or_default()
    }

    pub(crate) fn path(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).expect("the proxy runs");
    }

    /// Whether the proxy ends by itself within that time, its workers included.
    pub(crate) fn ends_within(&mut self, limit: Duration) -> bool {
        self.alive.set_read_timeout(Some(limit)).expect("a timeout");
        loop {
            match self.alive.read(&mut [0]) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                read => return read.is_ok_and(|read| read == 0),
            }
        }
    }

    /// Waits for the proxy to end by itself.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        assert!(self.ends_within(STUCK), "the proxy does not end");
        self.child.wait().expect("a child")
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // a terminated nginx takes its workers along, a killed one does not
        let pid = rustix::process::Pid::from_child(&self.child);
        _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        if !self.ends_within(STUCK) {
            _ = self.child.kill();
        }
        _ = self.child.wait();
    }
}

/// What a client saw of one connection.
#[derive(Debug)]
pub(crate) struct Conversation {
    pub(crate) received: Vec<u8>,
    pub(crate) end: End,
    /// What a TLS handshake agreed on, or why it failed; None without TLS.
    pub(crate) handshake: Option<String>,
}

/// Sends the bytes of HTTP/1.1 on one connection.
fn converse(mut stream: ClientStream, steps: &[Step], handshake: Option<String>) -> Conversation {
    let mut received = Vec::new();
    for step in steps {
        if let Some(text) = &step.after {
            let is_there = |got: &[u8]| got.windows(text.len()).any(|window| window == text.as_bytes());
            read_until(&mut stream, &mut received, is_there);
        }
        // a refusal may close the connection before all was written
        _ = stream.write_all(&step.bytes);
    }
    let end = read_until(&mut stream, &mut received, |_| false);
    Conversation { received, end, handshake }
}

/// Reads once, and retries after a signal.
pub(crate) fn read_some(stream: &mut impl std::io::Read, piece: &mut [u8]) -> std::io::Result<usize> {
    loop {
        match stream.read(piece) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            read => return read,
        }
    }
}

/// How a connection ended for its client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Closed,
    Reset,
    /// A TLS connection was closed without saying so.
    Cut,
    /// Nothing more came, and it was not closed.
    Stalled,
}

/// Reads to the end of a connection; whether it ended well, or was reset.
pub(super) fn read_to_end(stream: &mut TcpStream) -> (Vec<u8>, bool) {
    let mut all = Vec::new();
    let end = read_until(stream, &mut all, |_| false);
    if end == End::Stalled {
        all.extend_from_slice(b"(and then nothing)");
    }
    (all, end == End::Closed)
}

/// Reads until the received bytes satisfy `is_enough`, or the connection ends.
fn read_until(stream: &mut impl std::io::Read, got: &mut Vec<u8>, is_enough: impl Fn(&[u8]) -> bool) -> End {
    let mut piece = [0; 16 * 1024];
    loop {
        if is_enough(got) {
            return End::Stalled;
        }
        match read_some(stream, &mut piece) {
            Ok(0) => return End::Closed,
            Ok(read) => got.extend_from_slice(&piece[..read]),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return End::Reset,
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return End::Cut,
            Err(_) => return End::Stalled,
        }
    }
}

/// Listens on a port that the kernel chose, and on those that follow it.
fn consecutive_ports(further: u16) -> Vec<TcpListener> {
    loop {
        let first = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let port = first.local_addr().expect("an address").port();
        let others = (1..=further).map(|distance| {
            let port = port.checked_add(distance).ok_or(std::io::ErrorKind::AddrNotAvailable)?;
            TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        });
        // another program may have one of them
        if let Ok(others) = others.collect::<std::io::Result<Vec<_>>>() {
            return std::iter::once(first).chain(others).collect();
        }
    }
}

/// A configuration with the proxy's address and folder in it.
fn filled(configuration: &str, listen: &str, folder: &Path) -> String {
    configuration.replace("{listen}", listen).replace("{folder}", &folder.display().to_string())
}
