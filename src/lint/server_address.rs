//! Where a server listens, as nginx and gunicorn write it.

use std::fmt;
use std::net::IpAddr;
use std::path::Path;

/// An address of an application server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerAddress {
    /// The path of a unix socket.
    Unix(String),
    Tcp {
        host: String,
        port: u16,
    },
}

impl ServerAddress {
    /// Reads `host:port`, `host`, `:port` or `unix:path`. `None` if it has a variable.
    #[must_use]
    pub fn parse(text: &str, default_port: u16) -> Option<ServerAddress> {
        let text = text.strip_prefix("tcp://").unwrap_or(text);
        if text.is_empty() || text.contains('$') {
            return None;
        }
        if let Some(path) = text.strip_prefix("unix:") {
            // gunicorn also takes `unix://path`.
            let path = path.strip_prefix("//").unwrap_or(path);
            return Some(ServerAddress::Unix(path.to_owned()));
        }
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()?),
            _ => (text, default_port),
        };
        Some(ServerAddress::Tcp { host: host.trim_matches(['[', ']']).to_owned(), port })
    }

    /// Whether a connection to this address reaches a server that listens on `bound`. Names of other machines may.
    #[must_use]
    pub fn reaches(&self, bound: &ServerAddress) -> bool {
        match (self, bound) {
            // A relative path starts at a folder that only a run knows.
            (ServerAddress::Unix(path), ServerAddress::Unix(bound)) => Path::new(path).ends_with(bound),
            (ServerAddress::Tcp { host, port }, ServerAddress::Tcp { host: bound, port: bound_port }) => {
                port == bound_port && (is_everywhere(bound) || is_same_host(host, bound))
            }
            _ => false,
        }
    }
}

fn is_everywhere(host: &str) -> bool {
    host.is_empty() || host == "*" || host.parse::<IpAddr>().is_ok_and(|address| address.is_unspecified())
}

fn is_same_host(host: &str, bound: &str) -> bool {
    let address = |host: &str| match host {
        "localhost" => Some(IpAddr::from([127, 0, 0, 1])),
        host => host.parse::<IpAddr>().ok(),
    };
    match (address(host), address(bound)) {
        (Some(host), Some(bound)) => host == bound,
        // What a name stands for is known where it is used.
        _ => true,
    }
}

impl fmt::Display for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ServerAddress::Unix(path) => write!(f, "unix:{path}"),
            ServerAddress::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            ServerAddress::Tcp { host, port } => write!(f, "{host}:{port}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_reach_what_listens() {
        for (upstream, bound, expected) in [
            ("127.0.0.1:8000", "127.0.0.1:8000", true),
            ("localhost:8000", "127.0.0.1:8000", true),
            ("127.0.0.1:8000", "0.0.0.0:8000", true),
            ("127.0.0.1:8000", ":8000", true),
            ("web:8000", "0.0.0.0:8000", true),
            ("[::1]:8000", "[::]:8000", true),
            ("127.0.0.1:8000", "127.0.0.1:8001", false),
            ("10.0.0.2:8000", "127.0.0.1:8000", false),
            ("127.0.0.1:8000", "unix:/run/app.sock", false),
            ("unix:/run/app.sock", "unix:///run/app.sock", true),
            ("unix:/run/app.sock", "unix:/run/other.sock", false),
            ("unix:/run/app.sock", "unix:/srv/app.sock", false),
            ("unix:/srv/shop/app.sock", "unix:app.sock", true),
        ] {
            let (upstream, bound) =
                (ServerAddress::parse(upstream, 80).unwrap(), ServerAddress::parse(bound, 8000).unwrap());
            assert_eq!(upstream.reaches(&bound), expected, "{upstream} {bound}");
        }
        assert_eq!(ServerAddress::parse("$backend:80", 80), None);
        assert_eq!(ServerAddress::parse("[::1]", 80).unwrap().to_string(), "[::1]:80");
    }
}
