//! Buffering, which keeps slow clients from occupying the application's workers.

use super::scope::{Block, directive_finding};
use crate::lint::finding::Finding;
use crate::lint::rule::{Rule, Severity};

pub(super) const UNBUFFERED_REQUESTS: Rule = Rule {
    name: "unbuffered-requests",
    severity: Severity::Advice,
    why: "a slow upload occupies a worker from its first byte to its last; a few of them block a sync server",
    source: "nginx, ngx_http_proxy_module, proxy_request_buffering; gunicorn, Deploying",
};

pub(super) const UNBUFFERED_RESPONSES: Rule = Rule {
    name: "unbuffered-responses",
    severity: Severity::Advice,
    why: "a client that reads slowly occupies a worker until it has read everything, unless the worker has an event loop",
    source: "nginx, ngx_http_proxy_module, proxy_buffering; gunicorn, Deploying",
};

pub(super) fn check(block: &Block, findings: &mut Vec<Finding>) {
    if block.proxy_pass().is_none() {
        return;
    }
    for (name, rule, fix) in [
        (
            "proxy_request_buffering",
            &UNBUFFERED_REQUESTS,
            "turn it off only for paths that stream, with threads or an event loop behind them",
        ),
        (
            "proxy_buffering",
            &UNBUFFERED_RESPONSES,
            "leave it on, and let the application send X-Accel-Buffering: no where it streams",
        ),
    ] {
        // Only an event loop serves WebSocket.
        if block.set_header("Upgrade").is_some() {
            continue;
        }
        for off in block.effective(name).into_iter().filter(|directive| directive.arg(0) == Some("off")) {
            let message = format!("{name} is off, so the application waits for slow clients");
            findings.push(directive_finding(rule, off, message, fix));
        }
    }
}
