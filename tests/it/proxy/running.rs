//! A running `lab proxy` with a listening socket that the test bound.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use command_fds::{CommandFdExt as _, FdMapping};

/// Nothing takes this long unless it is stuck.
pub(super) const STUCK: Duration = Duration::from_secs(20);

#[derive(Debug)]
pub(super) struct Proxy {
    child: Child,
    pub(super) address: SocketAddr,
    pub(super) folder: tempfile::TempDir,
}

impl Proxy {
    /// Starts the proxy on a configuration in which `{listen}` stands for its address.
    ///
    /// With `LAB_TEST_PROXY=/usr/sbin/nginx` in the environment the cases run on nginx instead, for a look at where
    /// the two differ.
    pub(super) fn start(configuration: &str) -> Proxy {
        let folder = tempfile::tempdir().expect("a folder");
        let socket = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = socket.local_addr().expect("an address");
        let file = folder.path().join("nginx.conf");
        std::fs::write(&file, configuration.replace("{listen}", &address.to_string())).expect("a configuration");
        let mut command = match std::env::var_os("LAB_TEST_PROXY") {
            Some(program) => Command::new(program),
            None => {
                let mut command = Command::new(env!("CARGO_BIN_EXE_lab"));
                command.arg("proxy");
                command
            }
        };
        command.arg("-c").arg(&file).arg("-p").arg(folder.path()).env("NGINX", "3;");
        command.stdin(Stdio::null()).stderr(std::fs::File::create(folder.path().join("stderr")).expect("a file"));
        command.fd_mappings(vec![FdMapping { parent_fd: OwnedFd::from(socket), child_fd: 3 }]).expect("no collision");
        let child = command.spawn().expect("the proxy starts");
        // the parent's copy of the socket goes with the command
        drop(command);
        Proxy { child, address, folder }
    }

    pub(super) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).expect("the proxy listens");
        // nginx is known to wait for more in some cases
        let patience = if std::env::var_os("LAB_TEST_PROXY").is_some() { STUCK / 10 } else { STUCK };
        stream.set_read_timeout(Some(patience)).expect("a timeout");
        stream.set_write_timeout(Some(patience)).expect("a timeout");
        stream
    }

    /// Sends bytes and reads until the proxy closes the connection.
    pub(super) fn converse(&self, bytes: &[u8]) -> Vec<u8> {
        let mut stream = self.connect();
        // a refusal may close the connection before all was written
        _ = stream.write_all(bytes);
        read_to_end(&mut stream).0
    }

    pub(super) fn read(&self, file: &str) -> String {
        std::fs::read_to_string(self.folder.path().join(file)).unwrap_or_default()
    }

    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(super) fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).expect("the proxy runs");
    }

    /// Waits for the proxy to end by itself.
    pub(super) fn wait(&mut self) -> ExitStatus {
        wait_for("the proxy to end", || self.child.try_wait().expect("a child"))
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // a terminated nginx takes its workers along, a killed one does not
        let pid = rustix::process::Pid::from_child(&self.child);
        _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        _ = self.child.wait();
    }
}

/// Reads once, whatever signals this process gets meanwhile.
pub(super) fn read_some(stream: &mut TcpStream, piece: &mut [u8]) -> std::io::Result<usize> {
    loop {
        match stream.read(piece) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            read => return read,
        }
    }
}

/// Reads to the end of a connection; whether it ended well, or was reset.
pub(super) fn read_to_end(stream: &mut TcpStream) -> (Vec<u8>, bool) {
    let mut all = Vec::new();
    let mut piece = [0; 16 * 1024];
    loop {
        match read_some(stream, &mut piece) {
            Ok(0) => return (all, true),
            Ok(read) => all.extend_from_slice(&piece[..read]),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return (all, false),
            Err(error) => {
                all.extend_from_slice(format!("(and then {error})").as_bytes());
                return (all, false);
            }
        }
    }
}

/// Waits for a condition that another process or thread brings about.
pub(super) fn wait_for<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = condition() {
            return found;
        }
        assert!(begun.elapsed() < STUCK, "waited in vain for {what}");
        std::thread::yield_now();
    }
}
