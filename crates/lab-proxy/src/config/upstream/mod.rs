//! `upstream`: groups of servers that requests are passed to.

pub mod resolver;

use std::borrow::Cow;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::config::address::{Address, resolve};
use crate::variables::Template;
use lab_nginx_conf::{ConfError, ConfErrorKind, Directive, closest};

/// A group of interchangeable servers: an `upstream` block, or the address of a `proxy_pass`.
#[derive(Debug, Clone)]
pub struct Upstream {
    /// The block's name, or the address as written.
    pub name: String,
    /// Whether it is an `upstream` block.
    pub is_block: bool,
    /// In file order. A name that resolves to several addresses makes several servers.
    pub servers: Vec<UpstreamServer>,
    pub method: BalancingMethod,
    /// `keepalive`: how many idle connections each worker keeps; 0 closes each after its request.
    pub keepalive: usize,
    /// `keepalive_requests`: how many requests a connection serves before it closes.
    pub keepalive_requests: usize,
    /// `keepalive_time`: how long a connection serves requests before it closes.
    pub keepalive_time: Duration,
    /// `keepalive_timeout`: how long an idle connection is kept.
    pub keepalive_timeout: Duration,
}

/// How the server of a request is chosen.
#[derive(Debug, Clone)]
pub enum BalancingMethod {
    /// In turn, by weight.
    RoundRobin,
    /// `least_conn`: the server with the fewest requests in flight, by weight.
    LeastConnections,
    /// `ip_hash`: by the client's network.
    IpHash,
    /// `random`: by chance and weight.
    Random {
        /// `two`: the server with fewer requests in flight of two.
        compares_two: bool,
    },
    /// `hash KEY`, and `hash KEY consistent`.
    Hash {
        key: Template,
        /// Whether adding or removing a server leaves most keys where they are (ketama).
        is_consistent: bool,
    },
}

impl BalancingMethod {
    pub(super) fn allows_backups(&self) -> bool {
        matches!(self, BalancingMethod::RoundRobin | BalancingMethod::LeastConnections)
    }
}

/// One `server` of an upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamServer {
    pub address: Address,
    /// `$upstream_addr`: the address as text.
    pub label: Arc<str>,
    /// The address as written, which decides its points on the ring of `hash … consistent`.
    pub written: String,
    /// `weight=`: its share of the requests, relative to the others.
    pub weight: i64,
    /// `max_conns=`: the limit of requests in flight for each worker; 0 for none.
    pub max_conns: usize,
    /// `max_fails=`: how many failures within `fail_timeout` take the server out of rotation for as long; 0 disables it.
    pub max_fails: u32,
    /// `fail_timeout=`
    pub fail_timeout: Duration,
    /// `backup`: used only when none of the others is available.
    pub is_backup: bool,
    /// `down`: never used.
    pub is_down: bool,
}

impl Upstream {
    /// An upstream with nginx's defaults.
    pub(super) fn new(name: &str, servers: Vec<UpstreamServer>) -> Upstream {
        Upstream {
            name: name.to_owned(),
            is_block: false,
            servers,
            method: BalancingMethod::RoundRobin,
            keepalive: 0,
            keepalive_requests: 1000,
            keepalive_time: Duration::from_secs(3600),
            keepalive_timeout: Duration::from_secs(60),
        }
    }

    /// Whether a `proxy_pass` to this host, which may have a port, means this upstream.
    #[must_use]
    pub fn is_named(&self, host: &str, default_port: u16) -> bool {
        let name = if self.is_block { host.into() } else { implicit_name(host, default_port) };
        self.name.eq_ignore_ascii_case(&name)
    }

    /// The upstream of a `proxy_pass` whose variables resolved to these addresses.
    #[must_use]
    pub fn from_addresses(name: &str, addresses: impl IntoIterator<Item = SocketAddr>) -> Upstream {
        let server = |address: SocketAddr| UpstreamServer::new(Address::Internet(address), name);
        Upstream::new(name, addresses.into_iter().map(server).collect())
    }
}

impl UpstreamServer {
    /// A server with nginx's defaults.
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

/// The name of an upstream that is no block: the same host on two default ports is two upstreams.
fn implicit_name(host: &str, default_port: u16) -> Cow<'_, str> {
    let has_port = host.starts_with("unix:") || host.rsplit_once(':').is_some_and(|(_, port)| !port.contains(']'));
    if default_port == 80 || has_port { host.into() } else { format!("{host}:{default_port}").into() }
}

/// All upstreams. A `proxy_pass` refers to one by its index in the list.
#[derive(Debug, Default)]
pub(crate) struct UpstreamList {
    list: Vec<Upstream>,
}

impl UpstreamList {
    pub(super) fn add(&mut self, directive: &Directive, upstream: Upstream) -> Result<(), ConfError> {
        if self.list.iter().any(|other| other.name == upstream.name) {
            let name = upstream.name;
            return Err(directive.error(ConfErrorKind::DuplicateName { what: "upstream", name }));
        }
        self.list.push(Upstream { is_block: true, ..upstream });
        Ok(())
    }

    /// The index of the upstream that a `proxy_pass` names: an `upstream` block, or else a new entry made of the
    /// addresses of `host`, which may have a port, or of the path after `unix:`.
    pub(crate) fn find_or_add(
        &mut self,
        directive: &Directive,
        host: &str,
        default_port: u16,
    ) -> Result<usize, ConfError> {
        if let Some(index) = self.list.iter().position(|upstream| upstream.is_named(host, default_port)) {
            return Ok(index);
        }
        if let Some((name, port)) = host.rsplit_once(':')
            && self.list.iter().any(|upstream| upstream.is_block && upstream.name.eq_ignore_ascii_case(name))
        {
            let message = format!("upstream \"{name}\" may not have port {port}");
            return Err(directive.error(ConfErrorKind::Conflict(message)));
        }
        let addresses = server_addresses(directive, host, default_port).map_err(|mut error| {
            if let ConfErrorKind::HostNotFound { hint, .. } = &mut error.kind {
                *hint = closest(host, self.list.iter().map(|upstream| upstream.name.as_str())).map(String::into);
            }
            error
        })?;
        let servers = addresses.into_iter().map(|address| UpstreamServer::new(address, host)).collect();
        self.list.push(Upstream::new(&implicit_name(host, default_port), servers));
        Ok(self.list.len() - 1)
    }

    pub(crate) fn into_list(self) -> Vec<Upstream> {
        self.list
    }
}

/// As [`resolve`], and `unix:/path`.
pub(super) fn server_addresses(
    directive: &Directive,
    text: &str,
    default_port: u16,
) -> Result<Vec<Address>, ConfError> {
    match text.strip_prefix("unix:") {
        Some("") => Err(directive.invalid(text, "unix: and the path of a socket")),
        Some(path) => Ok(vec![Address::Unix(PathBuf::from(path))]),
        None => Ok(resolve(directive, text, default_port)?.into_iter().map(Address::Internet).collect()),
    }
}
