//! Listening sockets.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use rustix::net::{AddressFamily, sockopt};
use tokio::net::{TcpListener, UnixListener};

use crate::stream::Stream;

#[derive(Debug)]
pub enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// The address of a bound socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LocalAddress {
    Tcp(SocketAddr),
    /// The path; None for a socket without a name.
    Unix(Option<PathBuf>),
}

impl Listener {
    /// Takes over a listening socket. Call it on a runtime.
    ///
    /// # Errors
    /// It does not listen, or is neither a TCP nor a unix socket.
    pub fn new(socket: OwnedFd) -> io::Result<Listener> {
        if !sockopt::socket_acceptconn(&socket)? {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a listening socket"));
        }
        let family = sockopt::socket_domain(&socket)?;
        rustix::io::ioctl_fionbio(&socket, true)?;
        match family {
            AddressFamily::INET | AddressFamily::INET6 => TcpListener::from_std(socket.into()).map(Listener::Tcp),
            AddressFamily::UNIX => UnixListener::from_std(socket.into()).map(Listener::Unix),
            _ => Err(io::Error::new(io::ErrorKind::Unsupported, "it is neither a TCP nor a unix socket")),
        }
    }

    pub fn local_address(&self) -> io::Result<LocalAddress> {
        match self {
            Listener::Tcp(listener) => listener.local_addr().map(LocalAddress::Tcp),
            Listener::Unix(listener) => {
                listener.local_addr().map(|address| LocalAddress::Unix(address.as_pathname().map(PathBuf::from)))
            }
        }
    }

    /// Accepts a connection. Over TCP, its peer has an address.
    pub async fn accept(&self) -> io::Result<(Stream, Option<SocketAddr>)> {
        match self {
            Listener::Tcp(listener) => listener.accept().await.map(|(stream, peer)| (Stream::Tcp(stream), Some(peer))),
            Listener::Unix(listener) => listener.accept().await.map(|(stream, _)| (Stream::Unix(stream), None)),
        }
    }
}

impl fmt::Display for LocalAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LocalAddress::Tcp(address) => write!(f, "{address}"),
            LocalAddress::Unix(Some(path)) => write!(f, "unix:{}", path.display()),
            LocalAddress::Unix(None) => f.write_str("unix:"),
        }
    }
}
