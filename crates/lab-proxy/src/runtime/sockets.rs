//! Listening sockets, which are inherited or bound here.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};
use socket2::{Domain, Protocol, SockAddr, Socket, TcpKeepalive, Type};

use crate::config::address::Address;
use crate::config::server::listen::{KeepAliveProbes, Listen};
use lab_nginx_conf::parse_number;

/// The environment variable in which nginx hands listening sockets to its successor: `3;4;`.
pub const INHERITED: &str = "NGINX";

/// The listening sockets of one address, and the `listen`s they serve.
#[derive(Debug)]
pub struct BoundAddress {
    pub address: Address,
    /// Non-blocking sockets: one for all workers, or with `reuseport` one for each.
    pub sockets: Vec<Socket>,
    /// Indexes into [`Config::listens`](crate::config::Config::listens): that of the address itself comes first.
    pub listens: Vec<usize>,
    /// The file of a unix socket that the proxy bound itself.
    file: Option<Arc<SocketFile>>,
}

impl BoundAddress {
    /// # Errors
    /// There are no descriptors left.
    pub fn worker_socket(&self, worker: usize) -> io::Result<Socket> {
        self.sockets[worker % self.sockets.len()].try_clone()
    }
}

/// The file of a unix socket, which is removed on drop.
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // it may have been removed already
        _ = std::fs::remove_file(&self.path);
    }
}

#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    #[error("bind() to {address} failed: {source}")]
    Bind { address: Address, source: io::Error },
    /// [`INHERITED`] is malformed.
    #[error(
        "invalid socket number \"{text}\" in {INHERITED} environment variable; accepted: numbers, each followed by a semicolon"
    )]
    InvalidNumber { text: String },
    #[error("inherited descriptor {number} is not a listening socket: {source}")]
    NotListening { number: i32, source: io::Error },
}

/// Opens the socket of every `listen`: a clone of one in `current`, an inherited one, or a new one. Inherited sockets
/// without a `listen` are closed.
///
/// As in nginx, a wildcard (`listen 80`) also serves single addresses with the same port, which then have no socket of
/// their own.
///
/// # Errors
/// The first address that cannot be bound; all new sockets are closed.
pub fn open(
    listens: &[Listen],
    workers: usize,
    current: &[BoundAddress],
    inherited: Option<&str>,
) -> Result<Vec<BoundAddress>, SocketError> {
    let mut inherited = inherited.map(parse_inherited).transpose()?.unwrap_or_default();
    let is_covered = |listen: &Listen| listens.iter().any(|other| is_wildcard_for(&other.address, &listen.address));
    let mut bound = Vec::new();
    for (index, listen) in listens.iter().enumerate().filter(|(_, listen)| !is_covered(listen)) {
        let failed = |source| SocketError::Bind { address: listen.address.clone(), source };
        let mut sockets = Vec::new();
        let own = current.iter().find(|bound| bound.address == listen.address);
        for socket in own.iter().flat_map(|own| &own.sockets) {
            sockets.push(socket.try_clone().map_err(failed)?);
        }
        while let Some(position) = inherited.iter().position(|(address, _)| *address == listen.address) {
            let (_, socket) = inherited.swap_remove(position);
            // As in nginx: the kernel lets others bind the same port only if this one has the option too.
            if listen.reuse_port {
                socket.set_reuse_port(true).map_err(failed)?;
            }
            sockets.push(socket);
        }
        let count = if listen.reuse_port { workers } else { 1 };
        sockets.truncate(count);
        let mut file = own.and_then(|own| own.file.clone());
        while sockets.len() < count {
            sockets.push(bind(listen, &mut file).map_err(failed)?);
        }
        for socket in &sockets {
            // also for sockets that listen already, because `backlog` may have changed
            socket.listen(listen.backlog).map_err(failed)?;
            probe_idle_connections(socket, listen.keepalive_probes).map_err(failed)?;
        }
        let others = listens.iter().enumerate();
        let others = others.filter(|(_, other)| is_wildcard_for(&listen.address, &other.address));
        let listens = [index].into_iter().chain(others.map(|(other, _)| other)).collect();
        bound.push(BoundAddress { address: listen.address.clone(), sockets, listens, file });
    }
    Ok(bound)
}

fn is_wildcard_for(wildcard: &Address, address: &Address) -> bool {
    let (Some(wildcard), Some(address)) = (wildcard.internet(), address.internet()) else { return false };
    let is_of_family = wildcard.is_ipv4() == address.is_ipv4() && wildcard.port() == address.port();
    wildcard.ip().is_unspecified() && is_of_family && wildcard != address
}

fn bind(listen: &Listen, file: &mut Option<Arc<SocketFile>>) -> io::Result<Socket> {
    let socket = match &listen.address {
        Address::Internet(address) => {
            let socket = Socket::new(Domain::for_address(*address), Type::STREAM, Some(Protocol::TCP))?;
            socket.set_reuse_address(true)?;
            socket.set_reuse_port(listen.reuse_port)?;
            if address.is_ipv6() {
                socket.set_only_v6(listen.ipv6_only)?;
            }
            socket.bind(&(*address).into())?;
            socket
        }
        Address::Unix(path) => {
            let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
            socket.bind(&SockAddr::unix(path)?)?;
            *file = Some(Arc::new(SocketFile { path: path.clone() }));
            // as in nginx: every user who can reach the file may connect
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o666))?;
            socket
        }
    };
    // connections inherit both sizes
    if let Some(size) = listen.send_buffer {
        socket.set_send_buffer_size(size)?;
    }
    if let Some(size) = listen.receive_buffer {
        socket.set_recv_buffer_size(size)?;
    }
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// `so_keepalive=`. Connections inherit it from their listening socket.
fn probe_idle_connections(socket: &Socket, probes: Option<KeepAliveProbes>) -> io::Result<()> {
    match probes {
        None => Ok(()),
        Some(KeepAliveProbes::Off) => socket.set_keepalive(false),
        Some(KeepAliveProbes::On { idle, interval, count }) => {
            let mut settings = TcpKeepalive::new();
            if let Some(idle) = idle {
                settings = settings.with_time(idle);
            }
            if let Some(interval) = interval {
                settings = settings.with_interval(interval);
            }
            if let Some(count) = count {
                settings = settings.with_retries(count);
            }
            socket.set_tcp_keepalive(&settings)
        }
    }
}

/// The sockets that the variable names, with their addresses.
fn parse_inherited(text: &str) -> Result<Vec<(Address, Socket)>, SocketError> {
    let numbers = text.split([';', ':']).filter(|number| !number.is_empty());
    numbers
        .map(|text| {
            let number = parse_number(text).ok_or_else(|| SocketError::InvalidNumber { text: text.to_owned() })?;
            adopt(number).map_err(|source| SocketError::NotListening { number, source })
        })
        .collect()
}

fn adopt(number: i32) -> io::Result<(Address, Socket)> {
    let socket = Socket::from(take_descriptor(number)?);
    let local = socket.local_addr()?;
    let unix = || local.as_pathname().map(|path| Address::Unix(path.to_owned()));
    let address = local.as_socket().map(Address::Internet).or_else(unix);
    let address = address.filter(|_| socket.is_listener().unwrap_or(false));
    let address = address.ok_or_else(|| io::Error::other("it does not listen on an internet address or a path"))?;
    socket.set_cloexec(true)?;
    socket.set_nonblocking(true)?;
    Ok((address, socket))
}

/// Takes ownership of a descriptor by its number without unsafe code: pidfd_getfd duplicates it, as it would one of
/// another process, and the original is closed.
fn take_descriptor(number: i32) -> io::Result<OwnedFd> {
    if number <= 2 {
        return Err(io::Error::other("it is a standard stream"));
    }
    let process = pidfd_open(getpid(), PidfdFlags::empty())?;
    let owned = pidfd_getfd(process, number, PidfdGetfdFlags::empty())?;
    nix::unistd::close(number)?;
    Ok(owned)
}

#[cfg(test)]
mod tests {
    use std::net::{SocketAddr, TcpListener};
    use std::os::fd::IntoRawFd as _;

    use super::*;
    use crate::config;

    fn listens(text: &str) -> Vec<Listen> {
        let source = format!("events {{}} http {{ server {{ {text} }} }}");
        let file = std::path::Path::new("nginx.conf");
        let tree = lab_nginx_conf::parse(&source, file).unwrap();
        lab_nginx_conf::check(&tree).unwrap();
        let paths = config::ConfigPaths { prefix: std::path::Path::new(""), error_log: None };
        config::read(&tree, file, paths).unwrap().listens
    }

    fn address(socket: &Socket) -> SocketAddr {
        socket.local_addr().unwrap().as_socket().unwrap()
    }

    #[test]
    fn inherited_sockets_are_used_or_closed() {
        let (wanted, leftover) = (TcpListener::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
        let (open_at, closed_at) = (wanted.local_addr().unwrap(), leftover.local_addr().unwrap());
        let variable = format!("{};{};", wanted.into_raw_fd(), leftover.into_raw_fd());
        let bound = open(&listens(&format!("listen {open_at};")), 1, &[], Some(&variable)).unwrap();
        assert_eq!(bound.len(), 1);
        assert_eq!(address(&bound[0].sockets[0]), open_at);
        std::net::TcpStream::connect(open_at).unwrap();
        assert!(std::net::TcpStream::connect(closed_at).is_err());
    }

    #[test]
    fn inherited_non_listeners_are_refused() {
        let unconnected = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        let number = unconnected.into_raw_fd();
        let error = open(&[], 1, &[], Some(&format!("{number};"))).unwrap_err().to_string();
        assert!(error.starts_with(&format!("inherited descriptor {number} is not a listening socket")), "{error}");
        assert!(matches!(open(&[], 1, &[], Some("x;")), Err(SocketError::InvalidNumber { .. })));
        assert!(matches!(open(&[], 1, &[], Some("2;")), Err(SocketError::NotListening { number: 2, .. })));
        assert!(matches!(open(&[], 1, &[], Some("99999;")), Err(SocketError::NotListening { .. })));
    }

    #[test]
    fn wildcards_serve_single_addresses() {
        let free = TcpListener::bind("0.0.0.0:0").unwrap();
        let port = free.local_addr().unwrap().port();
        let variable = format!("{};", free.into_raw_fd());
        let listens = listens(&format!("listen 127.0.0.1:{port}; listen {port};"));
        let bound = open(&listens, 1, &[], Some(&variable)).unwrap();
        assert_eq!(bound.len(), 1);
        assert_eq!(bound[0].listens, [1, 0]);
    }

    #[test]
    fn connections_inherit_keepalive_probes() {
        for (parameter, is_on) in [("", false), ("so_keepalive=off", false), ("so_keepalive=on", true)] {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let bound = open(&listens(&format!("listen 127.0.0.1:{port} {parameter};")), 1, &[], None).unwrap();
            assert_eq!(bound[0].sockets[0].keepalive().unwrap(), is_on, "{parameter}");
        }
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let text = format!("listen 127.0.0.1:{port} so_keepalive=30m::10;");
        let bound = open(&listens(&text), 1, &[], None).unwrap();
        let _client = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
        bound[0].sockets[0].set_nonblocking(false).unwrap();
        let (accepted, _) = bound[0].sockets[0].accept().unwrap();
        assert!(accepted.keepalive().unwrap());
        assert_eq!(accepted.tcp_keepalive_time().unwrap().as_secs(), 30 * 60);
        assert_eq!(accepted.tcp_keepalive_retries().unwrap(), 10);
    }

    #[test]
    fn reuseport_sockets_survive_reloads() {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let listens = listens(&format!("listen 127.0.0.1:{port} reuseport;"));
        let first = open(&listens, 3, &[], None).unwrap();
        assert_eq!(first[0].sockets.len(), 3);
        let second = open(&listens, 2, &first, None).unwrap();
        assert_eq!(second[0].sockets.len(), 2);
        drop(first);
        std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
        assert_eq!(address(&second[0].worker_socket(3).unwrap()).port(), port);
    }

    #[test]
    fn unix_socket_files_live_as_long_as_listeners() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let listens = listens(&format!("listen unix:{};", path.display()));
        let first = open(&listens, 1, &[], None).unwrap();
        assert!(open(&listens, 1, &[], None).is_err(), "the address is in use");
        let second = open(&listens, 1, &first, None).unwrap();
        drop(first);
        std::os::unix::net::UnixStream::connect(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o666);
        drop(second);
        assert!(!path.exists());
    }
}
