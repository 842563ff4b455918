//! Socket addresses, as `listen`, `server` and `proxy_pass` write them.

use std::fmt;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;

use lab_nginx_conf::{ConfError, ConfErrorKind, Directive, parse_number};

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    Internet(SocketAddr),
    /// `unix:` and the path of a socket.
    Unix(PathBuf),
}

impl Address {
    /// None for a unix socket.
    #[must_use]
    pub fn internet(&self) -> Option<SocketAddr> {
        match self {
            Address::Internet(address) => Some(*address),
            Address::Unix(_) => None,
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Internet(address) => address.fmt(f),
            Address::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// Resolves `host`, `host:port`, `1.2.3.4:port` or `[v6]:port`. As in nginx, names are looked up once, at the start.
pub(crate) fn resolve(directive: &Directive, text: &str, default_port: u16) -> Result<Vec<SocketAddr>, ConfError> {
    const ACCEPTED: &str = "an address or a name, with or without a port";
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => {
            let port = parse_number::<u16>(port).filter(|port| *port > 0);
            (host, port.ok_or_else(|| directive.invalid(text, ACCEPTED))?)
        }
        _ => (text, default_port),
    };
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    if bare.is_empty() || (bare.contains(':') && bare == host) {
        return Err(directive.invalid(text, ACCEPTED));
    }
    match (bare, port).to_socket_addrs() {
        Ok(addresses) => Ok(addresses.collect()),
        Err(_) => Err(directive.error(ConfErrorKind::HostNotFound {
            name: directive.name.clone(),
            host: text.to_owned(),
            hint: None,
        })),
    }
}
