//! `upstream`: where requests are sent, and how connections to it are kept.

use std::fmt;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::reading::Reading;
use crate::eval::Template;
use lab_nginx_conf::{ConfError, ConfErrorKind, Directive, closest, parse_number, parse_time};

/// A group of servers that answer for each other: an `upstream` block, or the address of a `proxy_pass`.
#[derive(Debug, Clone)]
pub struct Upstream {
    /// Its name, or the address as it was written.
    pub name: String,
    /// Its servers, in file order; a name with several addresses is several servers.
    pub servers: Vec<UpstreamServer>,
    /// How the server of a request is found.
    pub method: Method,
    /// `keepalive`: how many idle connections each worker keeps; 0 closes each after its request.
    pub keepalive: usize,
    /// `keepalive_requests`: how many requests a connection serves before it is closed.
    pub keepalive_requests: usize,
    /// `keepalive_time`: how long a connection serves requests before it is closed.
    pub keepalive_time: Duration,
    /// `keepalive_timeout`: how long an idle connection is kept.
    pub keepalive_timeout: Duration,
}

/// How the server of a request is found.
#[derive(Debug, Clone)]
pub enum Method {
    /// Each in turn, by weight.
    RoundRobin,
    /// `least_conn`: the one with the fewest requests in flight, by weight.
    LeastConnections,
    /// `ip_hash`: by the client's network.
    IpHash,
    /// `hash KEY`, and `hash KEY consistent`.
    Hash {
        /// What is hashed of a request.
        key: Template,
        /// Whether servers that come and go leave the others' requests alone (ketama).
        is_consistent: bool,
    },
}

impl Method {
    fn takes_backups(&self) -> bool {
        matches!(self, Method::RoundRobin | Method::LeastConnections)
    }
}

/// One `server` of an upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamServer {
    /// Where it is.
    pub address: Address,
    /// `$upstream_addr`: the address as text.
    pub label: Arc<str>,
    /// The address as it was written, which `hash … consistent` places it by.
    pub written: String,
    /// `weight=`: its share of the requests, relative to the others.
    pub weight: i64,
    /// `max_conns=`: how many requests each worker has in flight to it at most; 0 for no bound.
    pub max_conns: usize,
    /// `max_fails=`: how many failures within `fail_timeout` take it out of the rotation for as long; 0 never does.
    pub max_fails: u32,
    /// `fail_timeout=`
    pub fail_timeout: Duration,
    /// `backup`: only asked when none of the others can be.
    pub is_backup: bool,
    /// `down`: never asked.
    pub is_down: bool,
}

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// An internet address and a port.
    Internet(SocketAddr),
    /// `unix:` and the path of a socket.
    Unix(PathBuf),
}

impl Address {
    /// The internet address; none of a unix socket.
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

/// All upstreams, by name. Which one a `proxy_pass` means is an index into the list.
#[derive(Debug, Default)]
pub(super) struct Upstreams {
    list: Vec<Upstream>,
}

impl Upstreams {
    /// Reads the `upstream` blocks, wherever they stand in `http`.
    pub(super) fn read(http: &[Directive], reading: &mut Reading<'_>) -> Result<Upstreams, ConfError> {
        let mut list: Vec<Upstream> = Vec::new();
        for directive in http.iter().filter(|directive| directive.name == "upstream") {
            let upstream = read_block(directive, reading)?;
            if list.iter().any(|other| other.name == upstream.name) {
                let name = upstream.name;
                return Err(directive.error(ConfErrorKind::DuplicateName { what: "upstream", name }));
            }
            list.push(upstream);
        }
        Ok(Upstreams { list })
    }

    /// The upstream a `proxy_pass` names: a block, or one made of the addresses of `host` (with a port, or without for
    /// `default_port`), or of the path behind `unix:`.
    pub(super) fn find_or_add(
        &mut self,
        directive: &Directive,
        host: &str,
        default_port: u16,
    ) -> Result<usize, ConfError> {
        if let Some(index) = self.list.iter().position(|upstream| upstream.name.eq_ignore_ascii_case(host)) {
            return Ok(index);
        }
        let addresses = server_addresses(directive, host, default_port).map_err(|mut error| {
            if let ConfErrorKind::HostNotFound { hint, .. } = &mut error.kind {
                *hint = closest(host, self.list.iter().map(|upstream| upstream.name.as_str()));
            }
            error
        })?;
        let servers = addresses.into_iter().map(|address| UpstreamServer::new(address, host)).collect();
        self.list.push(Upstream::new(host, servers));
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
            method: Method::RoundRobin,
            keepalive: 0,
            keepalive_requests: 1000,
            keepalive_time: Duration::from_secs(3600),
            keepalive_timeout: Duration::from_secs(60),
        }
    }
}

impl Upstream {
    /// The servers that a request's own `proxy_pass` came to.
    #[must_use]
    pub fn of_addresses(name: &str, addresses: impl IntoIterator<Item = SocketAddr>) -> Upstream {
        let server = |address: SocketAddr| UpstreamServer::new(Address::Internet(address), name);
        Upstream::new(name, addresses.into_iter().map(server).collect())
    }
}

impl UpstreamServer {
    /// With nginx's defaults.
    #[must_use]
    pub fn new(address: Address, written: &str) -> UpstreamServer {
        UpstreamServer {
            label: address.to_string().into(),
            address,
            written: written.to_owned(),
            weight: 1,
            max_conns: 0,
            max_fails: 1,
            fail_timeout: Duration::from_secs(10),
            is_backup: false,
            is_down: false,
        }
    }
}

fn read_block(directive: &Directive, reading: &mut Reading<'_>) -> Result<Upstream, ConfError> {
    let mut upstream = Upstream::new(directive.first(), Vec::new());
    let mut backup = None;
    let mut method = None;
    for inner in directive.block.as_deref().unwrap_or_default() {
        match inner.name.as_str() {
            "keepalive" => {
                upstream.keepalive = match inner.number()? {
                    0 => return Err(inner.invalid("0", "a number from 1")),
                    number => number,
                }
            }
            "keepalive_requests" => upstream.keepalive_requests = inner.number()?,
            "keepalive_time" => upstream.keepalive_time = inner.time()?,
            "keepalive_timeout" => upstream.keepalive_timeout = inner.time()?,
            "least_conn" | "ip_hash" | "hash" if method.is_some() => {
                return Err(inner.error(ConfErrorKind::Duplicate { name: "load balancing method".to_owned() }));
            }
            "least_conn" => method = Some(Method::LeastConnections),
            "ip_hash" => method = Some(Method::IpHash),
            "hash" => method = Some(read_hash(inner, reading)?),
            // `server`, the only other directive of this block
            _ => {
                let servers = read_server(inner)?;
                if servers.iter().any(|server| server.is_backup) {
                    backup = Some(inner);
                }
                upstream.servers.extend(servers);
            }
        }
    }
    upstream.method = method.unwrap_or(Method::RoundRobin);
    if let Some(server) = backup.filter(|_| !upstream.method.takes_backups()) {
        let accepted = "servers without it, which is how nginx has ip_hash and hash";
        return Err(server.unsupported("parameter \"backup\" with this balancing method", accepted));
    }
    // an upstream of backups alone is none
    if upstream.servers.iter().all(|server| server.is_backup) {
        return Err(directive.error(ConfErrorKind::EmptyUpstream { name: upstream.name }));
    }
    Ok(upstream)
}

fn read_hash(directive: &Directive, reading: &mut Reading<'_>) -> Result<Method, ConfError> {
    let key = reading.template(directive, directive.first())?;
    match directive.arg(1) {
        None => Ok(Method::Hash { key, is_consistent: false }),
        Some("consistent") => Ok(Method::Hash { key, is_consistent: true }),
        Some(other) => Err(directive.invalid(other, "consistent, or nothing")),
    }
}

fn read_server(directive: &Directive) -> Result<Vec<UpstreamServer>, ConfError> {
    const ACCEPTED: &str = "an address, then weight=N, max_conns=N, max_fails=N, fail_timeout=TIME, backup, down";
    let written = directive.first();
    let mut template = UpstreamServer::new(Address::Internet(SocketAddr::from(([0, 0, 0, 0], 0))), written);
    for parameter in directive.args.iter().skip(1).map(|arg| arg.value.as_str()) {
        let invalid = || directive.invalid(parameter, ACCEPTED);
        match parameter.split_once('=') {
            Some(("weight", value)) => {
                template.weight = parse_number(value).filter(|weight| *weight > 0).ok_or_else(invalid)?;
            }
            Some(("max_conns", value)) => template.max_conns = parse_number(value).ok_or_else(invalid)?,
            Some(("max_fails", value)) => template.max_fails = parse_number(value).ok_or_else(invalid)?,
            Some(("fail_timeout", value)) => template.fail_timeout = parse_time(value).ok_or_else(invalid)?,
            None if parameter == "backup" => template.is_backup = true,
            None if parameter == "down" => template.is_down = true,
            _ => return Err(directive.unsupported(format!("parameter \"{parameter}\""), ACCEPTED)),
        }
    }
    let addresses = server_addresses(directive, written, 80)?;
    let server = |address: Address| UpstreamServer { label: address.to_string().into(), address, ..template.clone() };
    Ok(addresses.into_iter().map(server).collect())
}

/// The addresses of what [`resolve`] takes, and of `unix:/path`, which `proxy_pass` writes as `unix:/path:` before a URI.
fn server_addresses(directive: &Directive, text: &str, default_port: u16) -> Result<Vec<Address>, ConfError> {
    match text.strip_prefix("unix:") {
        Some("") => Err(directive.invalid(text, "unix: and the path of a socket")),
        Some(path) => Ok(vec![Address::Unix(PathBuf::from(path))]),
        None => Ok(resolve(directive, text, default_port)?.into_iter().map(Address::Internet).collect()),
    }
}

/// The addresses of `host`, `host:port`, `1.2.3.4:port` or `[v6]:port`. Names are looked up, once, as nginx does when
/// it starts.
pub(super) fn resolve(directive: &Directive, text: &str, default_port: u16) -> Result<Vec<SocketAddr>, ConfError> {
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
