//! A running `lab proxy`, or its twin, with a listening socket that the test bound.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
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
    pub(crate) address: SocketAddr,
    pub(super) folder: tempfile::TempDir,
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

impl Proxy {
    /// Starts `lab proxy` on a configuration in which `{listen}` stands for its address and `{folder}` for its folder.
    pub(super) fn start(configuration: &str) -> Proxy {
        Proxy::start_as(Program::Lab, configuration, |_, _| ())
    }

    /// Starts lab or nginx in a folder that `prepare` has filled for its address.
    pub(crate) fn start_as(program: Program, configuration: &str, prepare: impl FnOnce(&Path, &str)) -> Proxy {
        let folder = tempfile::tempdir().expect("a folder");
        let socket = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = socket.local_addr().expect("an address");
        prepare(folder.path(), &address.to_string());
        let file = folder.path().join("nginx.conf");
        std::fs::write(&file, filled(configuration, address, folder.path())).expect("a configuration");
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
        command.arg("-c").arg(&file).arg("-p").arg(folder.path()).env("NGINX", "3;");
        let (alive, stdout) = UnixStream::pair().expect("two sockets");
        command
            .stdin(Stdio::null())
            .stdout(OwnedFd::from(stdout))
            .stderr(std::fs::File::create(folder.path().join("stderr")).expect("a file"));
        command.fd_mappings(vec![FdMapping { parent_fd: OwnedFd::from(socket), child_fd: 3 }]).expect("no collision");
        let child = command.spawn().expect("the proxy starts");
        // the parent's copy of the socket goes with the command
        drop(command);
        // nginx is known to wait for ever in some cases
        let patience = if program == Program::Nginx { STUCK / 5 } else { STUCK };
        Proxy { child, address, folder, alive, patience }
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).expect("the proxy listens");
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
            let (stream, handshake) = match &steps[0].tls {
                None => (ClientStream::Plain(self.connect()), None),
                Some(tls) => {
                    let (stream, outcome) = configs.handshake(tls, self.connect());
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
        std::fs::read_to_string(self.folder.path().join(file)).unwrap_or_default()
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
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

/// A configuration with the proxy's address and folder in it.
fn filled(configuration: &str, address: SocketAddr, folder: &Path) -> String {
    configuration.replace("{listen}", &address.to_string()).replace("{folder}", &folder.display().to_string())
}
