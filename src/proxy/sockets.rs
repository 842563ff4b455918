//! Listening sockets: inherited from whoever started the proxy, or bound here.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;

use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};
use socket2::{Domain, Protocol, Socket, Type};

use super::conf::parse_number;
use super::settings::listen::Listen;

/// The environment variable in which nginx hands listening sockets to its successor: `3;4;`.
pub const INHERITED: &str = "NGINX";

/// A listening socket and the `listen`s it serves.
#[derive(Debug)]
pub struct Bound {
    /// Where it listens.
    pub address: SocketAddr,
    /// The socket, not blocking.
    pub socket: TcpListener,
    /// Indexes into [`Settings::listens`](super::settings::Settings::listens): the socket's own address first.
    pub listens: Vec<usize>,
}

/// Why there is no listening socket.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// An address that cannot be listened on.
    #[error("bind() to {address} failed: {source}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// What stands in [`INHERITED`] is not what nginx would put there.
    #[error(
        "invalid socket number \"{text}\" in {INHERITED} environment variable; accepted: numbers, each with a semicolon behind it"
    )]
    Number {
        /// The part that is not a number.
        text: String,
    },
    /// A number in [`INHERITED`] that is no listening socket.
    #[error("inherited descriptor {number} is not a listening TCP socket: {source}")]
    Inherited {
        /// The number.
        number: i32,
        /// Why.
        source: io::Error,
    },
}

/// Takes over the sockets that there are, by `listen` address, and binds the others: those of `present`, which stay open,
/// and those inherited from whoever started the proxy, which are closed if nobody wants them.
///
/// As nginx, a wildcard (`listen 80`) also serves what names one address of the same port, which then has no socket of
/// its own.
///
/// # Errors
/// The first address that cannot be had; nothing is listened on then.
pub fn open(listens: &[Listen], present: &[Bound], inherited: Option<&str>) -> Result<Vec<Bound>, SocketError> {
    let mut inherited = inherited.map(take_inherited).transpose()?.unwrap_or_default();
    let is_covered = |listen: &Listen| {
        let covers = |other: &Listen| other.address != listen.address && is_wildcard_for(other.address, listen.address);
        listens.iter().any(covers)
    };
    let mut bound = Vec::new();
    for (index, listen) in listens.iter().enumerate().filter(|(_, listen)| !is_covered(listen)) {
        let failed = |source| SocketError::Bind { address: listen.address, source };
        let own = present.iter().find(|bound| bound.address == listen.address);
        let socket = match (own, inherited.iter().position(|(address, _)| *address == listen.address)) {
            (Some(own), _) => listen_again(&own.socket, listen).map_err(failed)?,
            (None, Some(position)) => listen_again(&inherited.swap_remove(position).1, listen).map_err(failed)?,
            (None, None) => bind(listen).map_err(failed)?,
        };
        let others = listens
            .iter()
            .enumerate()
            .filter(|(_, other)| other.address != listen.address && is_wildcard_for(listen.address, other.address));
        let address = listen.address;
        bound.push(Bound {
            address,
            socket,
            listens: [index].into_iter().chain(others.map(|(other, _)| other)).collect(),
        });
    }
    Ok(bound)
}

fn is_wildcard_for(wildcard: SocketAddr, address: SocketAddr) -> bool {
    wildcard.ip().is_unspecified() && wildcard.is_ipv4() == address.is_ipv4() && wildcard.port() == address.port()
}

fn bind(listen: &Listen) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(listen.address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if listen.address.is_ipv6() {
        socket.set_only_v6(listen.ipv6_only)?;
    }
    socket.bind(&listen.address.into())?;
    socket.listen(listen.backlog)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// The same socket, with another length of its queue perhaps.
fn listen_again(socket: &TcpListener, listen: &Listen) -> io::Result<TcpListener> {
    let socket = socket.try_clone()?;
    socket2::SockRef::from(&socket).listen(listen.backlog)?;
    Ok(socket)
}

/// The sockets of the variable with their addresses.
fn take_inherited(text: &str) -> Result<Vec<(SocketAddr, TcpListener)>, SocketError> {
    let numbers = text.split([';', ':']).filter(|number| !number.is_empty());
    numbers
        .map(|text| {
            let number = parse_number(text).ok_or_else(|| SocketError::Number { text: text.to_owned() })?;
            take(number).map_err(|source| SocketError::Inherited { number, source })
        })
        .collect()
}

fn take(number: i32) -> io::Result<(SocketAddr, TcpListener)> {
    let socket = Socket::from(own(number)?);
    let address = socket.local_addr()?.as_socket();
    let address = address.filter(|_| socket.is_listener().unwrap_or(false));
    let address = address.ok_or_else(|| io::Error::other("it does not listen on an internet address"))?;
    socket.set_cloexec(true)?;
    socket.set_nonblocking(true)?;
    Ok((address, socket.into()))
}

/// Makes a bare descriptor number an owned one: the kernel hands out a second descriptor for it, as it would for one
/// of another process (pidfd_getfd), and the first is closed. That is how it is done without unsafe code.
fn own(number: i32) -> io::Result<OwnedFd> {
    if number <= 2 {
        return Err(io::Error::other("it is one of the standard streams"));
    }
    let process = pidfd_open(getpid(), PidfdFlags::empty())?;
    let owned = pidfd_getfd(process, number, PidfdGetfdFlags::empty())?;
    nix::unistd::close(number)?;
    Ok(owned)
}

#[cfg(test)]
mod tests {
    use std::os::fd::IntoRawFd as _;

    use super::super::conf;
    use super::super::settings;
    use super::*;

    fn listens(text: &str) -> Vec<Listen> {
        let source = format!("events {{}} http {{ server {{ {text} }} }}");
        let file = std::path::Path::new("nginx.conf");
        let tree = conf::parse(&source, file).unwrap();
        conf::check(&tree).unwrap();
        let places = settings::Places { prefix: std::path::Path::new(""), error_log: None };
        settings::read(&tree, file, places).unwrap().listens
    }

    #[test]
    fn an_inherited_socket_is_used_for_its_own_address_and_a_leftover_is_closed() {
        let (wanted, leftover) = (TcpListener::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
        let (address, closed) = (wanted.local_addr().unwrap(), leftover.local_addr().unwrap());
        let variable = format!("{};{};", wanted.into_raw_fd(), leftover.into_raw_fd());
        let bound = open(&listens(&format!("listen {address};")), &[], Some(&variable)).unwrap();
        assert_eq!(bound.len(), 1);
        assert_eq!(bound[0].socket.local_addr().unwrap(), address);
        std::net::TcpStream::connect(address).unwrap();
        assert!(std::net::TcpStream::connect(closed).is_err());
    }

    #[test]
    fn what_is_no_listening_socket_is_refused_by_number() {
        let unconnected = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        let number = unconnected.into_raw_fd();
        let error = open(&[], &[], Some(&format!("{number};"))).unwrap_err().to_string();
        assert!(error.starts_with(&format!("inherited descriptor {number} is not a listening TCP socket")), "{error}");
        assert!(matches!(open(&[], &[], Some("x;")), Err(SocketError::Number { .. })));
        assert!(matches!(open(&[], &[], Some("2;")), Err(SocketError::Inherited { number: 2, .. })));
        assert!(matches!(open(&[], &[], Some("99999;")), Err(SocketError::Inherited { .. })));
    }

    #[test]
    fn a_wildcard_serves_the_single_addresses_of_its_port() {
        let free = TcpListener::bind("0.0.0.0:0").unwrap();
        let port = free.local_addr().unwrap().port();
        let variable = format!("{};", free.into_raw_fd());
        let bound = open(&listens(&format!("listen 127.0.0.1:{port}; listen {port};")), &[], Some(&variable)).unwrap();
        assert_eq!(bound.len(), 1);
        assert_eq!(bound[0].listens, [1, 0]);
    }
}
