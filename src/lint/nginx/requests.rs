//! Buffering: what keeps slow clients from occupying the application's workers.

use super::scope::{Block, at};
use crate::lint::finding::Finding;
use crate::lint::rule::{Rule, Severity};

pub(super) const UNBUFFERED_REQUESTS: Rule = Rule {
    name: "unbuffered-requests",
    severity: Severity::Warning,
    why: "a slow upload occupies a worker from its first byte to its last; a handful of them stop a sync server",
    source: "nginx, ngx_http_proxy_module, proxy_request_buffering; gunicorn, Deploying",
};

pub(super) const UNBUFFERED_RESPONSES: Rule = Rule {
    name: "unbuffered-responses",
    severity: Severity::Warning,
    why: "a client that reads slowly occupies a worker until it has read everything",
    source: "nginx, ngx_http_proxy_module, proxy_buffering; gunicorn, Deploying",
};

pub(super) fn check(block: &Block, found: &mut Vec<Finding>) {
    if block.pass().is_none() {
        return;
    }
    for (name, rule, fix) in [
        (
            "proxy_request_buffering",
            &UNBUFFERED_REQUESTS,
            "off only for the paths that stream, with threads or an event loop behind them",
        ),
        (
            "proxy_buffering",
            &UNBUFFERED_RESPONSES,
            "leave it on, and let the application say X-Accel-Buffering: no where it streams",
        ),
    ] {
        for off in block.effective(name).into_iter().filter(|directive| directive.arg(0) == Some("off")) {
            let message = format!("{name} is off, so the application waits for slow clients");
            found.push(at(rule, off, message, fix));
        }
    }
}
