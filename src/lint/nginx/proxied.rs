//! What a configuration says of the way to the application: its limits, its connections and the proxies on it.

use std::time::Duration;

use lab_nginx_conf::{Directive, parse_size, parse_time, walk};
use lab_proxy::config::nginx_version::NginxVersion;

use super::pass_targets::targets_of;
use super::scope::{Block, directive_location};
use crate::lint::finding::SourceLocation;
use crate::lint::server_address::ServerAddress;

/// nginx's defaults.
const DEFAULT_BODY_LIMIT: u64 = 1 << 20;
const DEFAULT_READ_TIMEOUT: Duration = Duration::from_secs(60);
const DEFAULT_KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(60);

/// A block that passes requests on.
#[derive(Debug, Clone)]
pub struct ProxiedLocation {
    /// The `proxy_pass`.
    pub location: SourceLocation,
    /// The largest body that passes; None without a limit.
    pub body_limit: Option<u64>,
    pub read_timeout: Duration,
    /// The `proxy_buffering off` and the `proxy_request_buffering off` that apply.
    pub unbuffered: Vec<SourceLocation>,
    /// How long idle connections to the upstream are kept, and the `keepalive` that keeps them, or the `upstream` that
    /// has none.
    pub kept_connections: Option<(Duration, SourceLocation)>,
}

/// The blocks that pass requests on, as this version of nginx reads them; None for any version.
#[must_use]
pub fn proxied_locations(tree: &[Directive], version: Option<NginxVersion>) -> Vec<ProxiedLocation> {
    let mut found = Vec::new();
    collect(&Block::of_version(tree, version), &mut found);
    found
}

fn collect(block: &Block, found: &mut Vec<ProxiedLocation>) {
    if let Some(pass) = block.proxy_pass() {
        let body_limit =
            block.effective_value("client_max_body_size").and_then(parse_size).unwrap_or(DEFAULT_BODY_LIMIT);
        let settings =
            ["proxy_buffering", "proxy_request_buffering"].into_iter().flat_map(|name| block.effective(name));
        let unbuffered = settings.filter(|directive| directive.arg(0) == Some("off")).map(directive_location);
        found.push(ProxiedLocation {
            location: directive_location(pass),
            // 0 turns the limit off.
            body_limit: Some(body_limit).filter(|limit| *limit > 0),
            read_timeout: block
                .effective_value("proxy_read_timeout")
                .and_then(parse_time)
                .unwrap_or(DEFAULT_READ_TIMEOUT),
            unbuffered: unbuffered.collect(),
            kept_connections: kept_connections(block, pass),
        });
    }
    for child in block.children() {
        collect(&child, found);
    }
}

fn kept_connections(block: &Block, pass: &Directive) -> Option<(Duration, SourceLocation)> {
    let upstream = block.upstream_of(pass)?;
    let find = |name: &str| upstream.children().iter().find(|directive| directive.name == name);
    let by_default = Some(upstream).filter(|_| block.keeps_upstream_connections());
    let keepalive = find("keepalive").or(by_default).filter(|keepalive| keepalive.arg(0) != Some("0"))?;
    let timeout = find("keepalive_timeout").and_then(|timeout| parse_time(timeout.arg(0)?));
    Some((timeout.unwrap_or(DEFAULT_KEEPALIVE_TIMEOUT), directive_location(keepalive)))
}

/// A way through proxies to the application.
#[derive(Debug, Clone)]
pub struct ProxyChain {
    /// The number of values that the proxies put into `X-Forwarded-For` after what the client sent.
    pub hops: u32,
    /// The `proxy_pass` to the application.
    pub location: SourceLocation,
}

/// A server block and where it passes requests.
struct ProxyServer {
    listens: Vec<ServerAddress>,
    passes: Vec<Pass>,
}

struct Pass {
    targets: Vec<ServerAddress>,
    location: SourceLocation,
    /// Whether `X-Forwarded-For` is extended; otherwise it is replaced, or not set.
    appends: bool,
}

/// The ways through the servers of all files to what is none of them. None if a file takes the client's address from a proxy
/// before it, so that there are more proxies than files, or passes on `X-Forwarded-For` in another way.
#[must_use]
pub fn proxy_chains(trees: &[&[Directive]]) -> Option<Vec<ProxyChain>> {
    let mut servers = Vec::new();
    for tree in trees {
        if walk(tree).any(|directive| ["set_real_ip_from", "real_ip_header"].contains(&directive.name.as_str())) {
            return None;
        }
        collect_servers(tree, &Block::top_level(tree), &mut servers)?;
    }
    let mut chains: Vec<ProxyChain> = Vec::new();
    for server in &servers {
        for pass in server.passes.iter().filter(|pass| !servers.iter().any(|inner| reaches(pass, inner))) {
            let hops = if pass.appends { 1 + hops_before(server, &servers, servers.len()) } else { 1 };
            chains.push(ProxyChain { hops, location: pass.location.clone() });
        }
    }
    Some(chains)
}

/// The values in `X-Forwarded-For` when a request reaches a server. `depth` ends circles.
fn hops_before(server: &ProxyServer, servers: &[ProxyServer], depth: usize) -> u32 {
    if depth == 0 {
        return 0;
    }
    let before = servers.iter().flat_map(|outer| {
        let passes = outer.passes.iter().filter(|pass| reaches(pass, server));
        passes.map(move |pass| if pass.appends { 1 + hops_before(outer, servers, depth - 1) } else { 1 })
    });
    before.max().unwrap_or(0)
}

fn reaches(pass: &Pass, server: &ProxyServer) -> bool {
    pass.targets.iter().any(|target| server.listens.iter().any(|listen| target.reaches(listen)))
}

/// None if a pass sets `X-Forwarded-For` in a way that the number of hops does not follow from.
fn collect_servers(tree: &[Directive], block: &Block, servers: &mut Vec<ProxyServer>) -> Option<()> {
    if block.kind() == "server" {
        let listens = block.named("listen").filter_map(|listen| listen_address(listen.arg(0)?));
        let mut server = ProxyServer { listens: listens.collect(), passes: Vec::new() };
        collect_passes(tree, block, &mut server.passes)?;
        servers.push(server);
        return Some(());
    }
    block.children().try_for_each(|child| collect_servers(tree, &child, servers))
}

fn collect_passes(tree: &[Directive], block: &Block, passes: &mut Vec<Pass>) -> Option<()> {
    if let Some(pass) = block.proxy_pass() {
        let appends = match block.set_header("X-Forwarded-For").and_then(|set| set.arg(1)) {
            Some("$proxy_add_x_forwarded_for") => true,
            Some("$remote_addr" | "$realip_remote_addr") => false,
            _ => return None,
        };
        let targets = targets_of(tree, pass).into_iter().map(|(_, address)| address).collect();
        passes.push(Pass { targets, location: directive_location(pass), appends });
    }
    block.children().try_for_each(|child| collect_passes(tree, &child, passes))
}

/// The address of a `listen`, which may be a port alone.
fn listen_address(text: &str) -> Option<ServerAddress> {
    match text.parse::<u16>() {
        Ok(port) => Some(ServerAddress::Tcp { host: "*".to_owned(), port }),
        Err(_) => ServerAddress::parse(text, 80),
    }
}
