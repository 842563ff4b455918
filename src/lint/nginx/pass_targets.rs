//! The addresses that requests are passed to.

use lab_nginx_conf::{Directive, walk};

use crate::lint::finding::SourceLocation;
use crate::lint::server_address::ServerAddress;
use crate::lint::upstream_elsewhere::AddressInFile;

/// The addresses of all `proxy_pass` and `uwsgi_pass`, and of the upstream blocks that these name, each once. Addresses with
/// variables are left out.
#[must_use]
pub fn pass_targets(tree: &[Directive]) -> Vec<AddressInFile> {
    let mut found: Vec<AddressInFile> = Vec::new();
    let mut add = |directive: &Directive, text: &str, default_port: u16| {
        let Some(address) = ServerAddress::parse(text, default_port) else { return };
        let location =
            SourceLocation { file: directive.file.to_path_buf(), line: directive.line, span: directive.span.clone() };
        if !found.iter().any(|known| known.location == location) {
            found.push(AddressInFile { address, location });
        }
    };
    for pass in walk(tree).filter(|directive| ["proxy_pass", "uwsgi_pass"].contains(&directive.name.as_str())) {
        let Some(target) = pass.arg(0) else { continue };
        let (scheme, rest) = target.split_once("://").unwrap_or(("", target));
        if rest.contains('$') {
            continue;
        }
        let default_port = if scheme == "https" { 443 } else { 80 };
        if let Some(path) = rest.strip_prefix("unix:") {
            // A colon ends the path of the socket, and a URI follows.
            add(pass, &format!("unix:{}", path.split(':').next().unwrap_or(path)), default_port);
            continue;
        }
        let host = rest.split('/').next().unwrap_or(rest);
        let is_it = |directive: &&Directive| directive.name == "upstream" && directive.arg(0) == Some(host);
        match walk(tree).find(is_it) {
            Some(upstream) => {
                let servers = upstream.children().iter().filter(|directive| directive.name == "server");
                let used = servers.filter(|server| server.args.iter().all(|arg| arg.value != "down"));
                used.for_each(|server| add(server, server.arg(0).unwrap_or_default(), default_port));
            }
            None => add(pass, host, default_port),
        }
    }
    found
}
