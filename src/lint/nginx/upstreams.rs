//! Connections to the application: kept, upgraded, tried again.

use super::scope::{Block, at};
use crate::lint::finding::Finding;
use crate::lint::rule::{Rule, Severity};
use lab_nginx_conf::Directive;

pub(super) const KEEPALIVE_UNUSED: Rule = Rule {
    name: "keepalive-unused",
    severity: Severity::Warning,
    why: "every request opens a connection of its own, for nginx up to 1.29.6 asks in HTTP/1.0 and with Connection: close unless told otherwise",
    source: "nginx, ngx_http_upstream_module, keepalive: for HTTP, proxy_http_version 1.1 and an empty Connection",
};

pub(super) const UPGRADE_INCOMPLETE: Rule = Rule {
    name: "upgrade-incomplete",
    severity: Severity::Error,
    why: "an upgrade needs HTTP/1.1 and both fields, Upgrade and Connection; the application answers as if none was asked for",
    source: "nginx, WebSocket proxying; RFC 9110, section 7.8",
};

pub(super) const REPEATS_POST: Rule = Rule {
    name: "repeats-post",
    severity: Severity::Warning,
    why: "a POST that an application has acted upon is sent to the next one when the connection breaks: paid twice, posted twice",
    source: "nginx, ngx_http_proxy_module, proxy_next_upstream non_idempotent; RFC 9110, section 9.2.2",
};

pub(super) fn check(block: &Block, found: &mut Vec<Finding>) {
    for next in block.own("proxy_next_upstream") {
        if next.args.iter().any(|arg| arg.value == "non_idempotent") {
            let message = "requests that must not be repeated are repeated";
            found.push(at(&REPEATS_POST, next, message, "leave non_idempotent out"));
        }
    }
    let Some(pass) = block.pass() else { return };
    let speaks_1_1 = block.value("proxy_http_version") == Some("1.1");
    let connection = block.sent("Connection").and_then(|set| set.arg(1));
    if let Some(upgrade) = block.sent("Upgrade") {
        if !speaks_1_1 || connection.is_none_or(str::is_empty) {
            let missing = if speaks_1_1 { "Connection is not" } else { "the version is not 1.1" };
            let message = format!("Upgrade is passed on, and {missing}");
            let fix =
                "proxy_http_version 1.1; proxy_set_header Connection $connection_upgrade; with a map of $http_upgrade";
            found.push(at(&UPGRADE_INCOMPLETE, upgrade, message, fix));
        }
        return;
    }
    if let Some(keepalive) = kept_alive(block, pass)
        && (!speaks_1_1 || connection != Some(""))
    {
        let message = format!("{keepalive} idle connections are to be kept, and none ever is");
        let fix = "proxy_http_version 1.1; proxy_set_header Connection \"\";";
        found.push(at(&KEEPALIVE_UNUSED, pass, message, fix));
    }
}

/// The `keepalive` of the upstream that a `proxy_pass` names.
fn kept_alive<'a>(block: &Block<'a>, pass: &Directive) -> Option<&'a str> {
    let (_, target) = pass.arg(0)?.split_once("://")?;
    let upstream = block.upstream(target.split('/').next()?)?;
    upstream.iter().find(|directive| directive.name == "keepalive").and_then(|directive| directive.arg(0))
}
