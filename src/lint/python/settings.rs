//! gunicorn's settings.

use std::path::Path;

use super::facts::{Assignment, Facts};
use super::place;
use crate::lint::finding::Finding;
use crate::lint::rule::{Rule, Severity};

pub(super) const FORWARDED_FROM_EVERYONE: Rule = Rule {
    name: "forwarded-from-everyone",
    severity: Severity::Error,
    why: "whoever reaches the port directly is believed to be connected by https, and may say so for others",
    source: "gunicorn, forwarded_allow_ips: the addresses of the proxies in front of it",
};

pub(super) const BIND_EVERYWHERE: Rule = Rule {
    name: "bind-everywhere",
    severity: Severity::Warning,
    why: "the server is reached past the proxy, without its limits, its buffering and what it says of the client",
    source: "gunicorn, Deploying: bind to loopback or a unix socket behind a proxy",
};

pub(super) fn check(file: &Path, facts: &Facts, found: &mut Vec<Finding>) {
    let bind = facts.assignments.iter().rfind(|assignment| assignment.name == "bind");
    for assignment in &facts.assignments {
        let value = assignment.value.as_deref().unwrap_or_default();
        match assignment.name.as_str() {
            "forwarded_allow_ips" | "proxy_allow_ips" if is_everyone(value) && !is_unix(bind) => {
                found.push(Finding::new(
                    &FORWARDED_FROM_EVERYONE,
                    place(file, &assignment.at),
                    format!("{} believes everyone who connects", assignment.name),
                    format!("{} = \"127.0.0.1\", or the address of the proxy", assignment.name),
                ));
            }
            "bind" => {
                for address in value.split(',').map(str::trim).filter(|address| is_everywhere(address)) {
                    let port = address.rsplit_once(':').map_or("8000", |(_, port)| port);
                    found.push(Finding::new(
                        &BIND_EVERYWHERE,
                        place(file, &assignment.at),
                        format!("{address} listens on all interfaces"),
                        format!("bind = \"127.0.0.1:{port}\", or a unix socket"),
                    ));
                }
            }
            _ => {}
        }
    }
}

fn is_everyone(value: &str) -> bool {
    value.split(',').any(|address| matches!(address.trim(), "*" | "0.0.0.0/0" | "::/0"))
}

/// Whether an address, as gunicorn reads it, is that of every interface.
fn is_everywhere(address: &str) -> bool {
    let host = address.strip_prefix("tcp://").unwrap_or(address);
    host.starts_with(':') || host == "0.0.0.0" || host.starts_with("0.0.0.0:") || host.starts_with("[::]")
}

/// Whether only a unix socket is listened on: nobody but the proxy reaches that.
fn is_unix(bind: Option<&Assignment>) -> bool {
    let value = bind.and_then(|bind| bind.value.as_deref());
    value.is_some_and(|value| value.split(',').all(|address| address.trim().starts_with("unix:")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_all_interfaces_are_known() {
        for (address, expected) in [
            ("0.0.0.0:8000", true),
            (":8000", true),
            ("[::]:80", true),
            ("tcp://0.0.0.0:1", true),
            ("127.0.0.1:8000", false),
            ("[::1]:8000", false),
            ("unix:/run/app.sock", false),
        ] {
            assert_eq!(is_everywhere(address), expected, "{address}");
        }
    }
}
