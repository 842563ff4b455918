//! gunicorn's settings.

use std::path::Path;

use super::module::{Assignment, PythonModule};
use crate::lint::finding::Finding;
use crate::lint::rule::{Rule, Severity};

pub(super) const FORWARDED_FROM_EVERYONE: Rule = Rule {
    name: "forwarded-from-everyone",
    severity: Severity::Error,
    why: "any client that reaches the port directly can claim to use https",
    source: "gunicorn, forwarded_allow_ips: the addresses of the proxies in front of it",
};

pub(super) const BIND_EVERYWHERE: Rule = Rule {
    name: "bind-everywhere",
    severity: Severity::Advice,
    why: "clients can bypass the proxy with its limits, its buffering and the fields it sets, unless this runs in a container whose port is not published",
    source: "gunicorn, Deploying: bind to loopback or a unix socket behind a proxy",
};

pub(super) fn check(file: &Path, module: &PythonModule, findings: &mut Vec<Finding>) {
    let bind = module.assignments.iter().rfind(|assignment| assignment.name == "bind");
    for assignment in &module.assignments {
        let value = assignment.value.as_deref().unwrap_or_default();
        match assignment.name.as_str() {
            "forwarded_allow_ips" | "proxy_allow_ips"
                if includes_every_address(value) && !may_bind_only_unix_sockets(bind) =>
            {
                findings.push(Finding::new(
                    &FORWARDED_FROM_EVERYONE,
                    assignment.position.in_file(file),
                    format!("{} trusts every client", assignment.name),
                    format!("{} = \"127.0.0.1\", or the address of the proxy", assignment.name),
                ));
            }
            "bind" => {
                // One finding for IPv4 and IPv6.
                if let Some(address) = value.split(',').map(str::trim).find(|address| is_wildcard_address(address)) {
                    let port = address.rsplit_once(':').map_or("8000", |(_, port)| port);
                    findings.push(Finding::new(
                        &BIND_EVERYWHERE,
                        assignment.position.in_file(file),
                        format!("{address} listens on all interfaces"),
                        format!("bind = \"127.0.0.1:{port}\", or a unix socket"),
                    ));
                }
            }
            _ => {}
        }
    }
}

fn includes_every_address(value: &str) -> bool {
    value.split(',').any(|address| matches!(address.trim(), "*" | "0.0.0.0/0" | "::/0"))
}

/// Whether an address in gunicorn's notation stands for all interfaces.
fn is_wildcard_address(address: &str) -> bool {
    let host = address.strip_prefix("tcp://").unwrap_or(address);
    host.starts_with(':') || host == "0.0.0.0" || host.starts_with("0.0.0.0:") || host.starts_with("[::]")
}

/// Whether gunicorn listens on unix sockets only, which only the proxy reaches, or only a run can tell.
fn may_bind_only_unix_sockets(bind: Option<&Assignment>) -> bool {
    bind.is_some_and(|bind| {
        let addresses = bind.value.as_deref().map(|value| value.split(','));
        addresses.is_none_or(|mut addresses| addresses.all(|address| address.trim().starts_with("unix:")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcard_addresses() {
        for (address, expected) in [
            ("0.0.0.0:8000", true),
            (":8000", true),
            ("[::]:80", true),
            ("tcp://0.0.0.0:1", true),
            ("127.0.0.1:8000", false),
            ("[::1]:8000", false),
            ("unix:/run/app.sock", false),
        ] {
            assert_eq!(is_wildcard_address(address), expected, "{address}");
        }
    }
}
