//! Connections to the application: keepalive, upgrades, retries.

use super::scope::{Block, directive_finding};
use crate::lint::finding::Finding;
use crate::lint::rule::{Rule, Severity};
use lab_nginx_conf::Directive;

pub(super) const KEEPALIVE_UNUSED: Rule = Rule {
    name: "keepalive-unused",
    severity: Severity::Warning,
    why: "every request opens its own connection, because nginx up to 1.29.6 sends HTTP/1.0 and Connection: close by default",
    source: "nginx, ngx_http_upstream_module, keepalive: for HTTP, proxy_http_version 1.1 and an empty Connection",
};

pub(super) const UPGRADE_INCOMPLETE: Rule = Rule {
    name: "upgrade-incomplete",
    severity: Severity::Error,
    why: "an upgrade needs HTTP/1.1 and both fields, Upgrade and Connection; the application responds as if the client had not requested one",
    source: "nginx, WebSocket proxying; RFC 9110, section 7.8",
};

pub(super) const REPEATS_POST: Rule = Rule {
    name: "repeats-post",
    severity: Severity::Warning,
    why: "a POST that an application has already processed is sent again when the connection breaks: paid twice, posted twice",
    source: "nginx, ngx_http_proxy_module, proxy_next_upstream non_idempotent; RFC 9110, section 9.2.2",
};

pub(super) const KEEPALIVE_BY_DEFAULT: Rule = Rule {
    name: "keepalive-by-default",
    severity: Severity::Advice,
    why: "from nginx 1.29.7 on, connections to the application are kept and requests are HTTP/1.1 by default; an application server that closes idle connections sooner than nginx then causes occasional 502s",
    source: "nginx 1.29.7, changes: keepalive 32 and proxy_http_version 1.1 by default",
};

pub(super) fn check(block: &Block, findings: &mut Vec<Finding>) {
    for next in block.named("proxy_next_upstream") {
        if next.args.iter().any(|arg| arg.value == "non_idempotent") {
            let message = "requests that must not be repeated are sent again";
            findings.push(directive_finding(&REPEATS_POST, next, message, "remove non_idempotent"));
        }
    }
    let Some(pass) = block.proxy_pass() else { return };
    check_keepalive_default(block, pass, findings);
    let keeps_by_default = block.keeps_upstream_connections();
    let speaks_1_1 = block.effective_value("proxy_http_version").map_or(keeps_by_default, |version| version == "1.1");
    let connection = block.set_header("Connection").and_then(|set| set.arg(1)).or(keeps_by_default.then_some(""));
    if let Some(upgrade) = block.set_header("Upgrade") {
        if !speaks_1_1 || connection.is_none_or(str::is_empty) {
            let missing = if speaks_1_1 { "Connection is not" } else { "the version is not 1.1" };
            let message = format!("Upgrade is passed on, but {missing}");
            let fix =
                "proxy_http_version 1.1; proxy_set_header Connection $connection_upgrade; with a map of $http_upgrade";
            findings.push(directive_finding(&UPGRADE_INCOMPLETE, upgrade, message, fix));
        }
        return;
    }
    if let Some(keepalive) = upstream_keepalive(block, pass)
        && (!speaks_1_1 || connection != Some(""))
    {
        let message = format!("keepalive {keepalive} has no effect: every connection closes after its request");
        let fix = "proxy_http_version 1.1; proxy_set_header Connection \"\";";
        findings.push(directive_finding(&KEEPALIVE_UNUSED, pass, message, fix));
    }
}

/// Only HTTP has the new default. With a version it is known.
fn check_keepalive_default(block: &Block, pass: &Directive, findings: &mut Vec<Finding>) {
    if block.version.is_some() {
        return;
    }
    let Some(upstream) = block.upstream_of(pass).filter(|_| upstream_keepalive(block, pass).is_none()) else { return };
    let message = "connections to this upstream are kept or closed, depending on nginx's version";
    let fix = "keepalive 32; with proxy_http_version 1.1 and an empty Connection, which is the same in every version";
    findings.push(directive_finding(&KEEPALIVE_BY_DEFAULT, upstream, message, fix));
}

/// The `keepalive` of the upstream that a `proxy_pass` names.
fn upstream_keepalive<'a>(block: &Block<'a>, pass: &Directive) -> Option<&'a str> {
    let directives = block.upstream_of(pass)?.children();
    directives.iter().find(|directive| directive.name == "keepalive").and_then(|directive| directive.arg(0))
}
