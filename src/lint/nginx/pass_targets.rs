//! The addresses that requests are passed to.

use lab_nginx_conf::{Directive, walk};

use super::scope::directive_location;
use crate::lint::server_address::ServerAddress;
use crate::lint::upstream_elsewhere::AddressInFile;

/// The addresses of all `proxy_pass` and `uwsgi_pass`, and of the upstream blocks that these name, each once. Addresses with
/// variables are left out.
#[must_use]
pub fn pass_targets(tree: &[Directive]) -> Vec<AddressInFile> {
    let mut found: Vec<AddressInFile> = Vec::new();
    for pass in walk(tree).filter(|directive| ["proxy_pass", "uwsgi_pass"].contains(&directive.name.as_str())) {
        for (directive, address) in targets_of(tree, pass) {
            let location = directive_location(directive);
            if !found.iter().any(|known| known.location == location) {
                found.push(AddressInFile { address, location });
            }
        }
    }
    found
}

/// The addresses of one `proxy_pass` or `uwsgi_pass`; none if it has a variable.
#[must_use]
pub fn addresses_of(tree: &[Directive], pass: &Directive) -> Vec<ServerAddress> {
    targets_of(tree, pass).into_iter().map(|(_, address)| address).collect()
}

/// The addresses of one `proxy_pass` or `uwsgi_pass`, each with the directive that has it.
pub(super) fn targets_of<'a>(tree: &'a [Directive], pass: &'a Directive) -> Vec<(&'a Directive, ServerAddress)> {
    let Some(target) = pass.arg(0) else { return Vec::new() };
    let (scheme, rest) = target.split_once("://").unwrap_or(("", target));
    if rest.contains('$') {
        return Vec::new();
    }
    let default_port = if scheme == "https" { 443 } else { 80 };
    let parsed = |directive: &'a Directive, text: &str| Some((directive, ServerAddress::parse(text, default_port)?));
    if let Some(path) = rest.strip_prefix("unix:") {
        // A colon ends the path of the socket, and a URI follows.
        return parsed(pass, &format!("unix:{}", path.split(':').next().unwrap_or(path))).into_iter().collect();
    }
    let host = rest.split('/').next().unwrap_or(rest);
    let is_it = |directive: &&Directive| directive.name == "upstream" && directive.arg(0) == Some(host);
    match walk(tree).find(is_it) {
        Some(upstream) => {
            let servers = upstream.children().iter().filter(|directive| directive.name == "server");
            let used = servers.filter(|server| server.args.iter().all(|arg| arg.value != "down"));
            used.filter_map(|server| parsed(server, server.arg(0).unwrap_or_default())).collect()
        }
        None => parsed(pass, host).into_iter().collect(),
    }
}
