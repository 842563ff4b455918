//! Connections from the address of `proxy_bind`.

use std::io;
use std::net::SocketAddr;

use nix::sys::socket::{setsockopt, sockopt};
use socket2::SockRef;
use tokio::net::{TcpSocket, TcpStream};

use crate::config::logs::Severity;
use crate::config::proxy::bind::parse_local_address;
use crate::config::proxy::pass::ProxyPass;
use crate::context::RequestContext;

/// Where connections to a peer begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LocalEndpoint {
    address: SocketAddr,
    is_transparent: bool,
}

impl LocalEndpoint {
    /// Evaluates `proxy_bind` for a request. None without it. As in nginx, a value that is no address has no effect.
    pub(crate) fn evaluate(context: &RequestContext<'_>, pass: &ProxyPass) -> Option<LocalEndpoint> {
        let bind = pass.bind.as_ref()?;
        let value = bind.address.value(&context.scope());
        if value.is_empty() {
            return None;
        }
        let address = std::str::from_utf8(&value).ok().and_then(parse_local_address);
        if address.is_none() {
            let message = format!("invalid local address \"{}\"", value.escape_ascii());
            context.log_error(Severity::Error, &message, None);
        }
        Some(LocalEndpoint { address: address?, is_transparent: bind.is_transparent })
    }

    /// Connects to a peer.
    pub(crate) async fn connect(self, peer: SocketAddr) -> io::Result<TcpStream> {
        let socket = if peer.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        if self.is_transparent && peer.is_ipv4() {
            SockRef::from(&socket).set_ip_transparent_v4(true)?;
        } else if self.is_transparent {
            SockRef::from(&socket).set_ip_transparent_v6(true)?;
        }
        if self.address.port() == 0 {
            // the port is chosen when the peer is known, so that connections to different peers may share it
            setsockopt(&socket, sockopt::IpBindAddressNoPort, &true)?;
        }
        socket.bind(self.address)?;
        socket.connect(peer).await
    }
}

impl std::fmt::Display for LocalEndpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.address.fmt(f)
    }
}
