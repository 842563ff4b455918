//! The sockets of the client of checks.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::TcpSocket;

/// A socket for a connection to `address`, from `own` if it is an address of the client's.
pub(super) fn client_socket(address: SocketAddr, own: Option<Ipv4Addr>) -> io::Result<TcpSocket> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if let Some(own) = own {
        socket.bind((own, 0).into())?;
    }
    Ok(socket)
}
