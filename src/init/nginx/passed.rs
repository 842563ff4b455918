//! Locations that pass requests on.

use lab_nginx_conf::{Directive, walk};

use super::prefix_of;
use crate::lint::ServerAddress;
use crate::lint::nginx::addresses_of;

/// The prefix of a location that passes requests on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PassedPrefix {
    pub line: usize,
    pub prefix: String,
    /// The text that takes its place in the application's paths.
    pub replacement: Option<String>,
    /// Whether the location is for this path alone.
    pub is_exact: bool,
    /// The addresses of the upstream; none if only nginx knows them.
    pub addresses: Vec<ServerAddress>,
    /// Whether the upstream is another server than the application's.
    pub leads_elsewhere: bool,
}

/// The prefix of a location, if it passes requests on, at least those for which there is no file. `server` is the block around
/// the location, and `tree` has the upstreams.
pub(super) fn passed(location: &Directive, server: &[Directive], tree: &[Directive]) -> Option<PassedPrefix> {
    let is_exact = location.arg(0) == Some("=");
    let prefix = if is_exact { location.arg(1)? } else { prefix_of(location)? }.to_owned();
    let addresses = |pass: Option<&Directive>| pass.map(|pass| addresses_of(tree, pass)).unwrap_or_default();
    let line = location.line;
    let Some(pass) = walk(location.children()).find(|directive| is_pass(directive)) else {
        let fallback = walk(location.children()).find_map(fallback)?;
        let named = server.iter().find(|other| other.name == "location" && other.arg(0) == Some(fallback));
        let addresses = addresses(named.and_then(|named| walk(named.children()).find(|inner| is_pass(inner))));
        return Some(PassedPrefix { line, prefix, replacement: None, is_exact, addresses, leads_elsewhere: false });
    };
    let (_, address) = pass.arg(0)?.split_once("://").unwrap_or_default();
    // The URI of a unix socket follows a second colon.
    let uri = match address.strip_prefix("unix:") {
        Some(socket) => socket.split_once(':').map(|(_, uri)| uri),
        None => address.find('/').map(|at| &address[at..]),
    };
    let replacement = uri.filter(|uri| !uri.contains('$')).map(str::to_owned);
    // A rewrite may lead to any path.
    let is_rewritten = walk(location.children()).any(|directive| directive.name == "rewrite");
    (!is_rewritten || prefix == "/").then(|| PassedPrefix {
        line,
        prefix,
        replacement,
        is_exact,
        addresses: addresses(Some(pass)),
        leads_elsewhere: false,
    })
}

/// The named location that gets requests for which there is no file.
fn fallback(directive: &Directive) -> Option<&str> {
    let arguments = directive.args.iter().filter(|_| directive.name == "try_files");
    arguments.map(|argument| argument.value.as_str()).find(|argument| argument.starts_with('@'))
}

pub(super) fn is_pass(directive: &Directive) -> bool {
    ["proxy_pass", "uwsgi_pass"].contains(&directive.name.as_str())
}
