//! `upstream`: where requests are sent, and how connections to it are kept.

use std::net::{SocketAddr, ToSocketAddrs};
use std::time::Duration;

use super::super::conf::{ConfError, ConfErrorKind, Directive, closest, parse_number, parse_time};

/// A group of servers that answer for each other: an `upstream` block, or the address of a `proxy_pass`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upstream {
    /// Its name, or the address as it was written.
    pub name: String,
    /// Its servers, in file order; a name with several addresses is several servers.
    pub servers: Vec<UpstreamServer>,
    /// `keepalive`: how many idle connections each worker keeps; 0 closes each after its request.
    pub keepalive: usize,
    /// `keepalive_requests`: how many requests a connection serves before it is closed.
    pub keepalive_requests: usize,
    /// `keepalive_timeout`: how long an idle connection is kept.
    pub keepalive_timeout: Duration,
}

/// One `server` of an upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamServer {
    /// Where it is.
    pub address: SocketAddr,
    /// `weight=`: its share of the requests, relative to the others.
    pub weight: i64,
    /// `max_fails=`: how many failures within `fail_timeout` take it out of the rotation for as long; 0 never does.
    pub max_fails: u32,
    /// `fail_timeout=`
    pub fail_timeout: Duration,
}

/// All upstreams, by name. Which one a `proxy_pass` means is an index into the list.
#[derive(Debug)]
pub(super) struct Upstreams {
    list: Vec<Upstream>,
}

impl Upstreams {
    /// Reads the `upstream` blocks, wherever they stand in `http`.
    pub(super) fn read(http: &[Directive]) -> Result<Upstreams, ConfError> {
        let mut list: Vec<Upstream> = Vec::new();
        for directive in http.iter().filter(|directive| directive.name == "upstream") {
            let upstream = read_block(directive)?;
            if list.iter().any(|other| other.name == upstream.name) {
                let name = upstream.name;
                return Err(directive.error(ConfErrorKind::DuplicateName { what: "upstream", name }));
            }
            list.push(upstream);
        }
        Ok(Upstreams { list })
    }

    /// The upstream a `proxy_pass` names: a block, or one made of the addresses of `host` (with a port, or without for
    /// `default_port`).
    pub(super) fn find_or_add(
        &mut self,
        directive: &Directive,
        host: &str,
        default_port: u16,
    ) -> Result<usize, ConfError> {
        if let Some(index) = self.list.iter().position(|upstream| upstream.name.eq_ignore_ascii_case(host)) {
            return Ok(index);
        }
        let addresses = resolve(directive, host, default_port).map_err(|mut error| {
            if let ConfErrorKind::HostNotFound { hint, .. } = &mut error.kind {
                *hint = closest(host, self.list.iter().map(|upstream| upstream.name.as_str()));
            }
            error
        })?;
        let servers = addresses.into_iter().map(UpstreamServer::new).collect();
        self.list.push(Upstream { keepalive: 0, ..Upstream::new(host, servers) });
        Ok(self.list.len() - 1)
    }

    pub(super) fn into_list(self) -> Vec<Upstream> {
        self.list
    }
}

impl Upstream {
    fn new(name: &str, servers: Vec<UpstreamServer>) -> Upstream {
        Upstream {
            name: name.to_owned(),
            servers,
            keepalive: 0,
            keepalive_requests: 1000,
            keepalive_timeout: Duration::from_secs(60),
        }
    }
}

impl UpstreamServer {
    fn new(address: SocketAddr) -> UpstreamServer {
        UpstreamServer { address, weight: 1, max_fails: 1, fail_timeout: Duration::from_secs(10) }
    }
}

fn read_block(directive: &Directive) -> Result<Upstream, ConfError> {
    let mut upstream = Upstream::new(directive.first(), Vec::new());
    for inner in directive.block.as_deref().unwrap_or_default() {
        match inner.name.as_str() {
            "keepalive" => {
                upstream.keepalive = match inner.number()? {
                    0 => return Err(inner.invalid("0", "a number from 1")),
                    number => number,
                }
            }
            "keepalive_requests" => upstream.keepalive_requests = inner.number()?,
            "keepalive_timeout" => upstream.keepalive_timeout = inner.time()?,
            // `server`, the only other directive of this block
            _ => upstream.servers.extend(read_server(inner)?),
        }
    }
    if upstream.servers.is_empty() {
        return Err(directive.error(ConfErrorKind::EmptyUpstream { name: upstream.name }));
    }
    Ok(upstream)
}

fn read_server(directive: &Directive) -> Result<Vec<UpstreamServer>, ConfError> {
    const ACCEPTED: &str = "an address, then weight=N, max_fails=N, fail_timeout=TIME";
    let mut template = UpstreamServer::new(SocketAddr::from(([0, 0, 0, 0], 0)));
    for parameter in directive.args.iter().skip(1).map(|arg| arg.value.as_str()) {
        let invalid = || directive.invalid(parameter, ACCEPTED);
        match parameter.split_once('=') {
            Some(("weight", value)) => {
                template.weight = parse_number(value).filter(|weight| *weight > 0).ok_or_else(invalid)?;
            }
            Some(("max_fails", value)) => template.max_fails = parse_number(value).ok_or_else(invalid)?,
            Some(("fail_timeout", value)) => template.fail_timeout = parse_time(value).ok_or_else(invalid)?,
            _ => return Err(directive.unsupported(format!("parameter \"{parameter}\""), ACCEPTED)),
        }
    }
    let addresses = resolve(directive, directive.first(), 80)?;
    Ok(addresses.into_iter().map(|address| UpstreamServer { address, ..template.clone() }).collect())
}

/// The addresses of `host`, `host:port`, `1.2.3.4:port` or `[v6]:port`. Names are looked up, once, as nginx does when
/// it starts.
pub(super) fn resolve(directive: &Directive, text: &str, default_port: u16) -> Result<Vec<SocketAddr>, ConfError> {
    const ACCEPTED: &str = "an address or a name, with or without a port";
    if text.starts_with("unix:") {
        return Err(directive.unsupported("a unix socket", ACCEPTED));
    }
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
