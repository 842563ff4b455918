//! Rules for several files together: the proxy's, the server's and the application's.

use std::time::Duration;

use super::finding::{Finding, SourceLocation};
use super::nginx::{ProxiedLocation, ProxyChain};
use super::python::{TrustedHops, WorkerSettings};
use super::rule::{Rule, Severity};

pub(super) const MORE_HOPS_TRUSTED: Rule = Rule {
    name: "more-hops-trusted",
    severity: Severity::Error,
    why: "the address comes from the part of X-Forwarded-For that the client sent, so every client can choose its own",
    source: "Werkzeug, Tell Flask it is behind a proxy: the number of values to trust is that of the proxies",
};

pub(super) const FEWER_HOPS_TRUSTED: Rule = Rule {
    name: "fewer-hops-trusted",
    severity: Severity::Warning,
    why: "the application takes the address of the outer proxy for that of every client",
    source: "Werkzeug, Tell Flask it is behind a proxy: the number of values to trust is that of the proxies",
};

pub(super) const KEEPALIVE_RACE: Rule = Rule {
    name: "keepalive-race",
    severity: Severity::Warning,
    why: "the server closes an idle connection while the proxy sends the next request on it; that request gets a 502 now and then, and a POST is not repeated",
    source: "nginx, keepalive_timeout of upstream (60s by default); gunicorn, keepalive (2 by default): the proxy's time must be the shorter one",
};

pub(super) const UNBUFFERED_BEFORE_SYNC: Rule = Rule {
    name: "unbuffered-before-sync",
    severity: Severity::Error,
    why: "a slow client occupies a whole worker, so as many clients as there are workers stop the site",
    source: "gunicorn, Deploying: sync workers need a proxy that buffers slow clients",
};

pub(super) const TIMEOUTS_CONTRADICT: Rule = Rule {
    name: "timeouts-contradict",
    severity: Severity::Warning,
    why: "the proxy gives up first: the client gets a 504 while the worker goes on with a response that nobody reads",
    source: "nginx, proxy_read_timeout (60s by default); gunicorn, timeout (30 by default)",
};

pub(super) const BODY_LIMITS_CONTRADICT: Rule = Rule {
    name: "body-limits-contradict",
    severity: Severity::Warning,
    why: "the proxy refuses with 413 what the application would accept, and the application's own error page never shows",
    source: "nginx, client_max_body_size (1m by default); Flask, MAX_CONTENT_LENGTH",
};

pub(super) const RULES: &[&Rule] = &[
    &MORE_HOPS_TRUSTED,
    &FEWER_HOPS_TRUSTED,
    &KEEPALIVE_RACE,
    &UNBUFFERED_BEFORE_SYNC,
    &TIMEOUTS_CONTRADICT,
    &BODY_LIMITS_CONTRADICT,
];

/// What the files of one deployment say.
#[derive(Debug, Default)]
pub struct Deployment {
    /// The chains of proxies before the application. None if another proxy may stand before them.
    pub chains: Option<Vec<ProxyChain>>,
    pub locations: Vec<ProxiedLocation>,
    pub workers: Option<WorkerSettings>,
    pub trusted_hops: Vec<TrustedHops>,
    /// The largest body that the application accepts.
    pub body_limit: Option<(u64, SourceLocation)>,
}

/// The findings that take several files.
#[must_use]
pub fn deployment_findings(deployment: &Deployment) -> Vec<Finding> {
    let mut findings = Vec::new();
    check_hops(deployment, &mut findings);
    check_body_limits(deployment, &mut findings);
    if let Some(workers) = &deployment.workers {
        for location in &deployment.locations {
            check_location(location, workers, &mut findings);
        }
    }
    let mut seen: Vec<(&str, SourceLocation)> = Vec::new();
    findings.retain(|finding| {
        let key = (finding.rule, finding.location.clone());
        let is_new = !seen.contains(&key);
        seen.push(key);
        is_new
    });
    findings
}

fn check_hops(deployment: &Deployment, findings: &mut Vec<Finding>) {
    // Without the proxies, their number is unknown; with chains of several lengths, one number cannot be right for all.
    let Some([first, rest @ ..]) = deployment.chains.as_deref() else { return };
    if rest.iter().any(|chain| chain.hops != first.hops) {
        return;
    }
    for trusted in &deployment.trusted_hops {
        let counted = |hops: u32| if hops == 1 { "1 proxy".to_owned() } else { format!("{hops} proxies") };
        let (trusts, passes) = (counted(trusted.hops), counted(first.hops));
        let message =
            format!("ProxyFix trusts {trusts}, but requests pass {passes} (see {})", displayed(&first.location));
        let fix = format!("x_for={}", first.hops);
        if trusted.hops > first.hops {
            let fix = format!("{fix}, unless another proxy stands before it that appends to X-Forwarded-For");
            findings.push(Finding::new(&MORE_HOPS_TRUSTED, trusted.location.clone(), message, fix));
        } else if trusted.hops > 0 && trusted.hops < first.hops {
            findings.push(Finding::new(&FEWER_HOPS_TRUSTED, trusted.location.clone(), message, fix));
        }
    }
}

fn check_body_limits(deployment: &Deployment, findings: &mut Vec<Finding>) {
    let Some((accepted, limit)) = &deployment.body_limit else { return };
    // An application may have one location for uploads.
    let largest =
        deployment.locations.iter().map(|location| location.body_limit).max_by_key(|limit| limit.unwrap_or(u64::MAX));
    let Some(Some(passed)) = largest else { return };
    if passed < *accepted {
        let message =
            format!("the application accepts bodies of {accepted} bytes, and no location passes more than {passed}");
        let fix =
            format!("client_max_body_size {}; in the server, or a smaller MAX_CONTENT_LENGTH", nginx_size(*accepted));
        findings.push(Finding::new(&BODY_LIMITS_CONTRADICT, limit.clone(), message, fix));
    }
}

fn check_location(location: &ProxiedLocation, workers: &WorkerSettings, findings: &mut Vec<Finding>) {
    for off in location.unbuffered.iter().filter(|_| workers.is_sync) {
        let server = displayed(&workers.location);
        let message = format!("clients are not buffered here, and {server} has sync workers");
        let fix = "remove it, or worker_class = \"gthread\" with threads";
        findings.push(Finding::new(&UNBUFFERED_BEFORE_SYNC, off.clone(), message, fix));
    }
    // Sync workers close every connection themselves and say so.
    if let Some((kept, keepalive)) = location.kept_connections.as_ref().filter(|_| !workers.is_sync)
        && workers.keepalive <= *kept
    {
        let (at, other) = match &workers.keepalive_location {
            Some(at) => (at, keepalive),
            None => (keepalive, &workers.location),
        };
        let (kept, closed) = (seconds(*kept), seconds(workers.keepalive));
        let message = format!(
            "the server closes idle connections after {closed}, and the proxy keeps them for {kept} (see {})",
            displayed(other)
        );
        let fix = format!(
            "keepalive = {} in gunicorn.conf.py, or a shorter keepalive_timeout in the upstream",
            kept.trim_end_matches('s').parse::<f64>().map_or(75.0, |kept| kept + 15.0)
        );
        findings.push(Finding::new(&KEEPALIVE_RACE, at.clone(), message, fix));
    }
    // The timeout of other workers is not that of a request.
    if let (true, Some(timeout), Some(at)) = (workers.is_sync, workers.timeout, &workers.timeout_location)
        && location.read_timeout < timeout
    {
        let (read, timeout) = (seconds(location.read_timeout), seconds(timeout));
        let pass = displayed(&location.location);
        let message = format!("a worker may take {timeout}, and {pass} waits for {read}");
        let fix = format!("proxy_read_timeout {timeout}; or a shorter timeout here");
        findings.push(Finding::new(&TIMEOUTS_CONTRADICT, at.clone(), message, fix));
    }
}

fn displayed(location: &SourceLocation) -> String {
    format!("{}:{}", location.file.display(), location.line)
}

fn seconds(time: Duration) -> String {
    format!("{}s", time.as_secs_f64())
}

/// A size as nginx writes it, rounded up to MiB.
fn nginx_size(bytes: u64) -> String {
    format!("{}m", bytes.div_ceil(1 << 20))
}
