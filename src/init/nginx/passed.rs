//! Locations that pass requests on.

use lab_nginx_conf::{Directive, walk};

use super::prefix_of;

/// The prefix of a location that passes requests on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PassedPrefix {
    pub prefix: String,
    /// The text that takes its place in the application's paths.
    pub replacement: Option<String>,
    /// Whether the location is for this path alone.
    pub is_exact: bool,
}

/// The prefix of a location, if it passes requests on, at least those for which there is no file.
pub(super) fn passed(location: &Directive) -> Option<PassedPrefix> {
    let is_exact = location.arg(0) == Some("=");
    let prefix = if is_exact { location.arg(1)? } else { prefix_of(location)? }.to_owned();
    let falls_back = |directive: &&Directive| {
        directive.name == "try_files" && directive.args.iter().any(|arg| arg.value.starts_with('@'))
    };
    let Some(pass) = walk(location.children()).find(|directive| is_pass(directive)) else {
        return walk(location.children()).find(falls_back).map(|_| PassedPrefix {
            prefix,
            replacement: None,
            is_exact,
        });
    };
    let (_, address) = pass.arg(0)?.split_once("://").unwrap_or_default();
    // The URI of a unix socket follows a second colon.
    let uri = match address.strip_prefix("unix:") {
        Some(socket) => socket.split_once(':').map(|(_, uri)| uri),
        None => address.find('/').map(|at| &address[at..]),
    };
    let replacement = uri.filter(|uri| !uri.contains('$')).map(str::to_owned);
    // A rewrite may make any path of it.
    let is_rewritten = walk(location.children()).any(|directive| directive.name == "rewrite");
    (!is_rewritten || prefix == "/").then_some(PassedPrefix { prefix, replacement, is_exact })
}

pub(super) fn is_pass(directive: &Directive) -> bool {
    ["proxy_pass", "uwsgi_pass"].contains(&directive.name.as_str())
}
