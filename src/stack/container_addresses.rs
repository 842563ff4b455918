//! The addresses at which components listen and find each other where each has a network of its own: in containers and in a
//! swarm.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

/// The host name under which the proxy finds the server.
pub(super) const SERVER: &str = "server";
/// The port of the app server.
pub(super) const SERVER_PORT: u16 = 8000;
/// The first port of the proxy. Its other listeners follow.
pub(super) const PROXY_PORT: u16 = 8080;

/// The server's host name and port.
pub(super) fn upstream() -> String {
    format!("{SERVER}:{SERVER_PORT}")
}

/// Hands out consecutive ports of all addresses, from `first` on.
pub(super) fn ports(first: u16) -> impl FnMut() -> io::Result<SocketAddr> {
    let mut ports = first..;
    move || {
        let port = ports.next().ok_or_else(|| io::Error::other("no port is left"))?;
        Ok(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)))
    }
}
