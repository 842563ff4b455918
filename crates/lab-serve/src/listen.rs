//! Listening sockets: bound by the server, or inherited as descriptors.

use std::fmt;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use rustix::fs::Mode;
use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};
use socket2::{Domain, SockAddr, Socket, Type};

use crate::address::parse_host_and_port;

/// An address to listen on (gunicorn's `bind`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bind {
    /// `HOST`, `HOST:PORT` or `[HOST]:PORT`. Port 0 takes any free port; an empty host is all IPv4 addresses.
    Tcp {
        host: String,
        /// 8000 if the text has no port.
        port: u16,
    },
    /// `unix:PATH`
    Unix(PathBuf),
    /// `fd://N`: a socket inherited as descriptor N.
    Inherited(i32),
}

/// How listening sockets are created.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SocketOptions {
    /// Connections that may wait to be accepted (gunicorn's `backlog`).
    pub backlog: i32,
    /// Whether other sockets may bind the same address (gunicorn's `reuse_port`).
    pub reuse_port: bool,
    /// The mode bits that are cleared on a unix socket (gunicorn's `umask`).
    pub umask: u32,
    /// The user and the group that own a unix socket (gunicorn's `user`, `group`).
    pub owner: (u32, u32),
}

/// A listening socket.
#[derive(Debug)]
pub struct Listener {
    socket: Socket,
    /// The address as text: `127.0.0.1:8000`, `[::1]:8000`, `unix:/run/app.sock`.
    pub address: String,
    /// The path to remove on close.
    unlink: Option<PathBuf>,
}

/// Why a listening socket cannot be created.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    #[error("cannot listen on {0:?}: neither HOST, HOST:PORT, [HOST]:PORT, unix:PATH nor fd://N")]
    Syntax(String),
    #[error("cannot listen on {address}: {error}")]
    Bind { address: String, error: io::Error },
    /// The path of a unix socket is in use by another kind of file.
    #[error("cannot listen on unix:{}: the path exists and is not a socket", .0.display())]
    Occupied(PathBuf),
    #[error("cannot take over descriptor {fd}: {error}")]
    Descriptor { fd: i32, error: io::Error },
    #[error("descriptor {0} is not a listening TCP or unix socket")]
    NotListening(i32),
}

impl FromStr for Bind {
    type Err = ListenError;

    fn from_str(text: &str) -> Result<Bind, ListenError> {
        let syntax = || ListenError::Syntax(text.to_owned());
        if let Some(number) = text.strip_prefix("fd://") {
            let fd = number.parse::<u16>().map_err(|_| syntax())?;
            return Ok(Bind::Inherited(i32::from(fd)));
        }
        if let Some(path) = text.strip_prefix("unix:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            return if path.is_empty() { Err(syntax()) } else { Ok(Bind::Unix(path.into())) };
        }
        if text.contains('/') && !text.starts_with("tcp://") {
            return Err(syntax());
        }
        let (host, port) = parse_host_and_port(text, 8000).ok_or_else(syntax)?;
        Ok(Bind::Tcp { host: if host.is_empty() { "0.0.0.0".to_owned() } else { host }, port })
    }
}

impl fmt::Display for Bind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Bind::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Bind::Tcp { host, port } => write!(f, "{host}:{port}"),
            Bind::Unix(path) => write!(f, "unix:{}", path.display()),
            Bind::Inherited(fd) => write!(f, "fd://{fd}"),
        }
    }
}

impl Bind {
    /// Creates or takes over the listening socket.
    ///
    /// # Errors
    /// The address cannot be bound, or the descriptor is not a listening socket.
    pub fn listen(&self, options: SocketOptions) -> Result<Listener, ListenError> {
        let failed = |error| ListenError::Bind { address: self.to_string(), error };
        match self {
            Bind::Tcp { host, port } => bind_tcp(host, *port, options).and_then(Listener::new).map_err(failed),
            Bind::Unix(path) => bind_unix(path, options),
            Bind::Inherited(fd) => inherit(*fd, options),
        }
    }
}

impl Listener {
    fn new(socket: Socket) -> io::Result<Listener> {
        let address = describe(&socket.local_addr()?);
        Ok(Listener { socket, address, unlink: None })
    }

    /// The address as a URL; that of a unix socket as `unix:PATH` (gunicorn's "Listening at").
    #[must_use]
    pub fn url(&self, is_tls: bool) -> String {
        let scheme = if is_tls { "https" } else { "http" };
        if self.address.starts_with("unix:") { self.address.clone() } else { format!("{scheme}://{}", self.address) }
    }

    /// Binds another socket to the same address, for one more worker (gunicorn's `reuse_port`).
    ///
    /// # Errors
    /// The address cannot be bound again.
    pub fn sibling(&self, options: SocketOptions) -> io::Result<Listener> {
        match self.socket.local_addr()?.as_socket() {
            Some(address) => bind_to(address, options).and_then(Listener::new),
            // A path cannot be bound twice, so all workers share the one socket.
            None => Listener::new(self.socket.try_clone()?),
        }
    }

    /// The number of connections that wait to be accepted; None if proc(5) does not list the socket, as for unix sockets.
    #[must_use]
    pub fn waiting(&self) -> Option<u64> {
        let inode = rustix::fs::fstat(&self.socket).ok()?.st_ino;
        let tables = ["/proc/self/net/tcp", "/proc/self/net/tcp6"];
        tables.iter().find_map(|table| waiting_in(&std::fs::read_to_string(table).ok()?, inode))
    }

    /// Makes this server responsible for the path of an inherited unix socket, whose former owner has ended.
    pub(crate) fn own_path(&mut self) {
        let address = self.socket.local_addr().ok();
        self.unlink = address.and_then(|address| std::path::absolute(address.as_pathname()?).ok());
    }

    /// Closes the socket, and removes its path if this server created it.
    pub fn close(self) {
        if let Some(path) = &self.unlink {
            // A missing file is as good as a removed one.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// The addresses of listeners, as gunicorn logs them.
#[must_use]
pub fn describe_listeners(listeners: &[Listener], is_tls: bool) -> String {
    listeners.iter().map(|listener| listener.url(is_tls)).collect::<Vec<_>>().join(",")
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Tries the IPv4 addresses of a name first, as gunicorn does.
fn bind_tcp(host: &str, port: u16, options: SocketOptions) -> io::Result<Socket> {
    let mut addresses: Vec<SocketAddr> = (host, port).to_socket_addrs()?.collect();
    addresses.sort_by_key(SocketAddr::is_ipv6);
    let mut failure = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    for address in addresses {
        match bind_to(address, options) {
            Ok(socket) => return Ok(socket),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

fn bind_to(address: SocketAddr, options: SocketOptions) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(options.reuse_port)?;
    socket.bind(&address.into())?;
    socket.listen(options.backlog)?;
    Ok(socket)
}

fn bind_unix(path: &Path, options: SocketOptions) -> Result<Listener, ListenError> {
    let failed = |error| ListenError::Bind { address: format!("unix:{}", path.display()), error };
    // A server that crashed leaves its socket behind, which would make bind fail.
    match std::fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => std::fs::remove_file(path).map_err(failed)?,
        Ok(_) => return Err(ListenError::Occupied(path.to_owned())),
        Err(_) => {}
    }
    let make = || {
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        let before = rustix::process::umask(Mode::from_raw_mode(options.umask));
        let bound = socket.bind(&SockAddr::unix(path)?);
        rustix::process::umask(before);
        bound?;
        let owner = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        if options.owner != owner {
            std::os::unix::fs::chown(path, Some(options.owner.0), Some(options.owner.1))?;
        }
        socket.listen(options.backlog)?;
        let path = std::path::absolute(path)?;
        Ok(Listener { unlink: Some(path), ..Listener::new(socket)? })
    };
    make().map_err(failed)
}

/// Takes over an inherited socket, as a duplicate that is closed on exec. The inherited descriptor stays open until this
/// process ends. systemd passes sockets that already listen; other programs may not, so `listen` is called if needed.
pub(super) fn inherit(fd: i32, options: SocketOptions) -> Result<Listener, ListenError> {
    let socket = Socket::from(duplicate(fd).map_err(|error| ListenError::Descriptor { fd, error })?);
    let not_listening = |_| ListenError::NotListening(fd);
    let is_stream = socket.r#type().map_err(not_listening)? == Type::STREAM;
    let is_bound = socket.local_addr().is_ok_and(|address| match address.as_socket() {
        Some(address) => address.port() != 0,
        None => address.as_pathname().is_some() || address.as_abstract_namespace().is_some(),
    });
    if !is_stream || !is_bound {
        return Err(ListenError::NotListening(fd));
    }
    if !rustix::net::sockopt::socket_acceptconn(&socket).unwrap_or(false) {
        socket.listen(options.backlog).map_err(not_listening)?;
    }
    Listener::new(socket).map_err(not_listening)
}

/// Duplicates an inherited descriptor, known only by its number. `pidfd_getfd` on this process itself does that without
/// `unsafe`, and the kernel checks the number.
fn duplicate(fd: i32) -> io::Result<OwnedFd> {
    if fd == 0 {
        return io::stdin().as_fd().try_clone_to_owned();
    }
    let own = pidfd_open(getpid(), PidfdFlags::empty())?;
    Ok(pidfd_getfd(own, fd, PidfdGetfdFlags::empty())?)
}

/// Finds the socket of this inode in a table of proc(5). Its receive queue is, for a listening socket, the number of
/// connections that wait to be accepted.
fn waiting_in(table: &str, inode: u64) -> Option<u64> {
    table.lines().skip(1).find_map(|line| {
        let fields: Vec<_> = line.split_ascii_whitespace().collect();
        let is_match = fields.get(9)?.parse() == Ok(inode);
        let (_, waiting) = fields.get(4)?.split_once(':')?;
        is_match.then(|| u64::from_str_radix(waiting, 16).ok())?
    })
}

fn describe(address: &SockAddr) -> String {
    if let Some(address) = address.as_socket() {
        return address.to_string();
    }
    if let Some(name) = address.as_abstract_namespace() {
        return format!("unix:@{}", name.escape_ascii());
    }
    format!("unix:{}", address.as_pathname().unwrap_or(Path::new("")).display())
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd;

    use super::*;

    const OPTIONS: SocketOptions = SocketOptions { backlog: 16, reuse_port: false, umask: 0o077, owner: (0, 0) };

    fn options() -> SocketOptions {
        let owner = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        SocketOptions { owner, ..OPTIONS }
    }

    fn loopback() -> Bind {
        Bind::Tcp { host: "127.0.0.1".to_owned(), port: 0 }
    }

    #[test]
    fn bind_addresses_are_parsed() {
        let tcp = |host: &str, port| Bind::Tcp { host: host.to_owned(), port };
        let cases = [
            ("127.0.0.1:8000", tcp("127.0.0.1", 8000)),
            ("localhost:0", tcp("localhost", 0)),
            ("localhost", tcp("localhost", 8000)),
            ("", tcp("0.0.0.0", 8000)),
            ("[::1]:80", tcp("::1", 80)),
            (":8000", tcp("0.0.0.0", 8000)),
            ("tcp://h:1", tcp("h", 1)),
            ("fd://3", Bind::Inherited(3)),
            ("unix:/run/x", Bind::Unix("/run/x".into())),
            ("unix:///run/x", Bind::Unix("/run/x".into())),
            ("unix:x", Bind::Unix("x".into())),
        ];
        for (text, bind) in cases {
            assert_eq!(text.parse::<Bind>().unwrap(), bind, "{text}");
        }
        for text in ["::1:80", "a:b", "a:65536", "fd://", "fd://-1", "fd://x", "unix:", "/run/x"] {
            assert!(matches!(text.parse::<Bind>(), Err(ListenError::Syntax(_))), "{text}");
        }
    }

    #[test]
    fn inherited_socket_keeps_its_address() {
        let given = loopback().listen(options()).unwrap();
        let taken = Bind::Inherited(given.as_fd().as_raw_fd()).listen(options()).unwrap();
        assert_eq!(taken.address, given.address);
    }

    #[test]
    fn unusable_descriptors_are_named() {
        let file = std::fs::File::open("/dev/null").unwrap();
        let udp = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let unbound = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        for fd in [file.as_raw_fd(), udp.as_raw_fd(), unbound.as_raw_fd()] {
            assert!(matches!(inherit(fd, options()), Err(ListenError::NotListening(named)) if named == fd));
        }
        assert!(matches!(inherit(60_000, options()), Err(ListenError::Descriptor { fd: 60_000, .. })));
    }

    #[test]
    fn address_in_use_is_named() {
        let taken = loopback().listen(options()).unwrap();
        let error = taken.address.parse::<Bind>().unwrap().listen(options()).unwrap_err().to_string();
        assert!(error.starts_with(&format!("cannot listen on {}: ", taken.address)), "{error}");
    }

    #[test]
    fn unix_socket_replaces_a_stale_one() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        drop(Bind::Unix(path.clone()).listen(options()).unwrap());
        assert!(path.exists());
        let listener = Bind::Unix(path.clone()).listen(options()).unwrap();
        assert_eq!(listener.address, format!("unix:{}", path.display()));
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        listener.close();
        assert!(!path.exists());
        std::fs::write(&path, "").unwrap();
        assert!(matches!(Bind::Unix(path).listen(options()), Err(ListenError::Occupied(_))));
    }

    #[test]
    fn siblings_share_an_address() {
        let options = SocketOptions { reuse_port: true, ..options() };
        let first = loopback().listen(options).unwrap();
        assert_eq!(first.sibling(options).unwrap().address, first.address);
    }

    #[test]
    fn waiting_connections_are_counted() {
        let listener = loopback().listen(options()).unwrap();
        assert_eq!(listener.waiting(), Some(0));
        let _client = std::net::TcpStream::connect(&listener.address).unwrap();
        assert_eq!(listener.waiting(), Some(1));
    }
}
