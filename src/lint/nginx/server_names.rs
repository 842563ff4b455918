//! Server names without a request.

use lab_nginx_conf::{Directive, walk};

use super::scope::directive_finding;
use crate::lint::finding::Finding;
use crate::lint::rule::{Rule, Severity};

/// Not a rule of `lab lint`, which knows no requests.
const NAME_UNREQUESTED: Rule = Rule {
    name: "name-unrequested",
    severity: Severity::Error,
    why: "a check for a name is the only thing that can show that its server works",
    source: "nginx, Server names",
};

/// The servers whose names no request has. `hosts` are the hosts of all requests; `None` is the address of the
/// stack, which is no name. Requests with an unknown host reach the default server of an address.
#[must_use]
pub fn unrequested_names(tree: &[Directive], hosts: &[Option<String>]) -> Vec<Finding> {
    let servers: Vec<&Directive> =
        walk(tree).filter(|directive| directive.name == "server" && !directive.children().is_empty()).collect();
    let is_known = |host: &str| servers.iter().any(|server| names(server).any(|name| matches(name, host)));
    let has_unknown = hosts.iter().any(|host| host.as_ref().is_none_or(|host| !is_known(host)));
    let unrequested = servers.iter().filter(|server| {
        let sendable = names(server).any(is_sendable);
        // An expression may match any host.
        let may_match = |name: &str, host: &str| name.starts_with('~') || matches(name, host);
        let is_requested = hosts.iter().flatten().any(|host| names(server).any(|name| may_match(name, host)));
        sendable && !is_requested && !(has_unknown && is_default(server, &servers))
    });
    let findings = unrequested.filter_map(|server| {
        let directive = server.children().iter().find(|directive| directive.name == "server_name")?;
        let name = names(server).find(|name| is_sendable(name))?;
        let message = format!("no check requests {name}");
        let fix = format!("a check with headers = {{ Host = \"{}\" }}", name.trim_start_matches('.'));
        Some(directive_finding(&NAME_UNREQUESTED, directive, message, fix))
    });
    findings.collect()
}

fn names(server: &Directive) -> impl Iterator<Item = &str> {
    let directives = server.children().iter().filter(|directive| directive.name == "server_name");
    directives.flat_map(|directive| &directive.args).map(|arg| arg.value.as_str())
}

/// Whether a client can send the name itself; `_` is the usual name of a server that is only a default.
fn is_sendable(name: &str) -> bool {
    !name.is_empty() && name != "_" && !name.contains(['*', '~', '$'])
}

/// Whether a name of a server, which is no expression, is that of a host.
fn matches(name: &str, host: &str) -> bool {
    let (name, host) = (name.to_lowercase(), host.to_lowercase());
    if let Some(suffix) = name.strip_prefix('.') {
        return host == suffix || host.ends_with(&name);
    }
    match (name.strip_prefix('*'), name.strip_suffix('*')) {
        (Some(suffix), _) => host.ends_with(suffix),
        (_, Some(prefix)) => host.starts_with(prefix),
        (None, None) => name == host,
    }
}

/// Whether the server is the default of one of its addresses: the one that says so, otherwise the first.
fn is_default(server: &Directive, servers: &[&Directive]) -> bool {
    let listens = |server: &'_ Directive| -> Vec<(String, bool)> {
        let own = server.children().iter().filter(|directive| directive.name == "listen");
        let addresses = own.filter_map(|listen| {
            let marks = ["default_server", "default"];
            Some((listen.arg(0)?.to_owned(), listen.args.iter().any(|arg| marks.contains(&arg.value.as_str()))))
        });
        let found: Vec<_> = addresses.collect();
        if found.is_empty() { vec![("80".to_owned(), false)] } else { found }
    };
    listens(server).into_iter().any(|(address, is_marked)| {
        let mut others = servers.iter().flat_map(|other| {
            listens(other).into_iter().filter(|(own, _)| *own == address).map(move |(_, marked)| (*other, marked))
        });
        let first = others.clone().next();
        let marked = others.find(|(_, marked)| *marked);
        is_marked || marked.or(first).is_some_and(|(other, _)| std::ptr::eq(other, server))
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const SITES: &str = "http {
        server { listen 80; server_name first.example; }
        server { listen 80; server_name second.example *.second.example; }
        server { listen 80; server_name .third.example; }
        server { listen 81; server_name _; }
        server { listen 81; server_name ~^fourth; }
    }";

    fn lines(hosts: &[Option<&str>]) -> Vec<usize> {
        let tree = lab_nginx_conf::parse(SITES, Path::new("nginx.conf")).unwrap();
        let hosts: Vec<Option<String>> = hosts.iter().map(|host| host.map(str::to_owned)).collect();
        unrequested_names(&tree, &hosts).into_iter().map(|finding| finding.location.line).collect()
    }

    #[test]
    fn servers_that_no_request_names_are_found() {
        assert_eq!(lines(&[Some("first.example")]), [3, 4]);
        assert_eq!(lines(&[None]), [3, 4], "the first server is the default");
        assert_eq!(lines(&[Some("nobody.example"), Some("a.SECOND.example"), Some("third.example")]), [0; 0]);
        assert_eq!(lines(&[Some("second.example"), Some("b.third.example")]), [2]);
    }
}
