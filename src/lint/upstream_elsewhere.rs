//! The rule for two files: requests go where the server listens.

use super::finding::{Finding, SourceLocation};
use super::rule::{Rule, Severity};
use super::server_address::ServerAddress;

/// An address in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressInFile {
    pub address: ServerAddress,
    pub location: SourceLocation,
}

pub(super) const UPSTREAM_ELSEWHERE: Rule = Rule {
    name: "upstream-elsewhere",
    severity: Severity::Error,
    why: "nobody listens there, so clients get a 502 for every request",
    source: "nginx, proxy_pass; gunicorn, bind",
};

/// The upstreams that no address in `bound` serves, which is not empty.
#[must_use]
pub fn upstreams_elsewhere(upstreams: &[AddressInFile], bound: &[AddressInFile]) -> Vec<Finding> {
    let Some(first) = bound.first() else { return Vec::new() };
    let is_served = |upstream: &&AddressInFile| bound.iter().any(|bound| upstream.address.reaches(&bound.address));
    let elsewhere = upstreams.iter().filter(|upstream| !is_served(upstream));
    elsewhere
        .map(|upstream| {
            let (file, line) = (first.location.file.display(), first.location.line);
            let message = format!("requests go to {}, and {file}:{line} binds {}", upstream.address, first.address);
            let fix = format!("the same address in both files, such as {}", first.address);
            Finding::new(&UPSTREAM_ELSEWHERE, upstream.location.clone(), message, fix)
        })
        .collect()
}

/// The same for files that may describe one server of several: none of the upstreams is served.
#[must_use]
pub fn all_upstreams_elsewhere(upstreams: &[AddressInFile], bound: &[AddressInFile]) -> Vec<Finding> {
    let findings = upstreams_elsewhere(upstreams, bound);
    if findings.len() == upstreams.len() { findings } else { Vec::new() }
}
