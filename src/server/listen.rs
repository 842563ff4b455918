//! Where a server listens: an address it binds, or a listening socket it was given.

use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::os::fd::{AsFd, OwnedFd};
use std::process::Stdio;
use std::str::FromStr;

use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};
use socket2::{Domain, Protocol, Socket, Type};

/// Connections that may wait to be accepted (gunicorn's `backlog`).
const BACKLOG: i32 = 2048;

/// What to listen on (gunicorn's `bind`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bind {
    /// `HOST:PORT`. Without a host, all IPv4 addresses; port 0 is any free one.
    Address(String),
    /// `fd://N`: a listening socket that was inherited as descriptor N.
    Inherited(i32),
}

/// Why nothing can be listened on.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// It does not name a place to listen.
    #[error("cannot listen on {0:?}: neither HOST:PORT, [HOST]:PORT nor fd://N")]
    Syntax(String),
    /// The address cannot be bound.
    #[error("cannot listen on {address}: {error}")]
    Bind {
        /// As it was given.
        address: String,
        /// What the system said.
        error: io::Error,
    },
    /// There is no such descriptor, or it cannot be taken over.
    #[error("cannot take over descriptor {fd}: {error}")]
    Descriptor {
        /// Its number.
        fd: i32,
        /// What the system said.
        error: io::Error,
    },
    /// There is one, but it is something else.
    #[error("descriptor {0} is not a listening TCP socket")]
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
        let (host, port) = text.rsplit_once(':').ok_or_else(syntax)?;
        let is_bare_ipv6 = host.contains(':') && !(host.starts_with('[') && host.ends_with(']'));
        if port.parse::<u16>().is_err() || is_bare_ipv6 || host.contains('/') || host == "unix" {
            return Err(syntax());
        }
        Ok(Bind::Address(if host.is_empty() { format!("0.0.0.0:{port}") } else { text.to_owned() }))
    }
}

impl Bind {
    /// Makes or takes over the listening socket.
    pub fn listen(&self) -> Result<TcpListener, ListenError> {
        match self {
            Bind::Address(address) => {
                bind(address).map_err(|error| ListenError::Bind { address: address.clone(), error })
            }
            Bind::Inherited(fd) => inherit(*fd),
        }
    }
}

/// A second handle on a listening socket, to be the standard input of a worker.
///
/// That is the one place where a process can pick up a descriptor without `unsafe` and without asking the kernel for
/// more than every sandbox allows; inetd handed sockets over in the same way.
pub(super) fn hand_over(listener: &TcpListener) -> io::Result<Stdio> {
    Ok(Stdio::from(OwnedFd::from(listener.try_clone()?)))
}

/// In a worker: the listening socket it got as its standard input, which then reads from `/dev/null`.
pub fn handed_over() -> Result<TcpListener, ListenError> {
    let error = |error| ListenError::Descriptor { fd: 0, error };
    let listener = inherit(0)?;
    let null = std::fs::File::open("/dev/null").map_err(error)?;
    rustix::stdio::dup2_stdin(null).map_err(|errno| error(errno.into()))?;
    Ok(listener)
}

fn bind(address: &str) -> io::Result<TcpListener> {
    let mut failure = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    for resolved in address.to_socket_addrs()? {
        match bind_to(resolved) {
            Ok(listener) => return Ok(listener),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

fn bind_to(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Takes over an inherited listening socket, as a duplicate that further processes do not inherit. The descriptor
/// itself stays open until this process ends, as its giver holds it open as well.
fn inherit(fd: i32) -> Result<TcpListener, ListenError> {
    let socket = duplicate(fd).map_err(|error| ListenError::Descriptor { fd, error })?;
    let listens = rustix::net::sockopt::socket_acceptconn(&socket).unwrap_or(false);
    let listener = TcpListener::from(socket);
    // The address of a socket that is not TCP cannot be read as one.
    if !listens || listener.local_addr().is_err() {
        return Err(ListenError::NotListening(fd));
    }
    Ok(listener)
}

/// Descriptors other than the standard ones come as bare numbers, which only the kernel can check: it is asked to hand
/// this process a duplicate of its own descriptor.
fn duplicate(fd: i32) -> io::Result<OwnedFd> {
    if fd == 0 {
        return io::stdin().as_fd().try_clone_to_owned();
    }
    let own = pidfd_open(getpid(), PidfdFlags::empty())?;
    Ok(pidfd_getfd(own, fd, PidfdGetfdFlags::empty())?)
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd;

    use super::*;

    #[test]
    fn places_to_listen_are_read() {
        let address = |text: &str| Bind::Address(text.to_owned());
        let cases = [
            ("127.0.0.1:8000", address("127.0.0.1:8000")),
            ("localhost:0", address("localhost:0")),
            ("[::1]:80", address("[::1]:80")),
            (":8000", address("0.0.0.0:8000")),
            ("fd://3", Bind::Inherited(3)),
        ];
        for (text, bind) in cases {
            assert_eq!(text.parse::<Bind>().unwrap(), bind, "{text}");
        }
        for text in ["", "8000", "localhost", "::1:80", "a:b", "a:65536", "fd://", "fd://-1", "fd://x", "unix:/run/x"] {
            assert!(matches!(text.parse::<Bind>(), Err(ListenError::Syntax(_))), "{text}");
        }
    }

    #[test]
    fn an_inherited_socket_listens_on_where_it_was() {
        let given = Bind::Address("127.0.0.1:0".to_owned()).listen().unwrap();
        let taken = Bind::Inherited(given.as_raw_fd()).listen().unwrap();
        assert_eq!(taken.local_addr().unwrap(), given.local_addr().unwrap());
    }

    #[test]
    fn what_does_not_listen_is_named() {
        let file = std::fs::File::open("/dev/null").unwrap();
        let udp = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        for fd in [file.as_raw_fd(), udp.as_raw_fd()] {
            assert!(matches!(inherit(fd), Err(ListenError::NotListening(named)) if named == fd));
        }
        assert!(matches!(inherit(60_000), Err(ListenError::Descriptor { fd: 60_000, .. })));
    }

    #[test]
    fn an_address_in_use_is_named() {
        let taken = Bind::Address("127.0.0.1:0".to_owned()).listen().unwrap();
        let address = taken.local_addr().unwrap().to_string();
        let error = Bind::Address(address.clone()).listen().unwrap_err().to_string();
        assert!(error.starts_with(&format!("cannot listen on {address}: ")), "{error}");
    }
}
