//! An address that refuses every connection.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};

use socket2::{Domain, Socket, Type};

/// Its socket is bound and does not listen. A port that was bound and released could be another test's by now.
#[derive(Debug)]
pub(crate) struct DeadAddress {
    pub(crate) address: SocketAddr,
    _socket: Socket,
}

impl DeadAddress {
    pub(crate) fn new() -> DeadAddress {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).expect("a port");
        let address = socket.local_addr().ok().and_then(|address| address.as_socket()).expect("an address");
        DeadAddress { address, _socket: socket }
    }
}

impl fmt::Display for DeadAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address.fmt(f)
    }
}
