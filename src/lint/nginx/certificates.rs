//! Certificates that are on this machine: those that are no longer valid.

use std::path::Path;
use std::time::SystemTime;

use lab_nginx_conf::{Directive, walk};

use super::scope::directive_finding;
use crate::lint::finding::Finding;
use crate::lint::rule::{Rule, Severity};

pub(super) const CERTIFICATE_EXPIRED: Rule = Rule {
    name: "certificate-expired",
    severity: Severity::Error,
    why: "every client refuses the connection, although lab's own checks accept any certificate",
    source: "nginx, ngx_http_ssl_module, ssl_certificate; RFC 5280, section 4.1.2.5",
};

/// The certificates of a configuration that have expired at `now`. One that cannot be read here is left out.
#[must_use]
pub fn expired_certificates(tree: &[Directive], now: SystemTime) -> Vec<Finding> {
    let named = walk(tree).filter(|directive| directive.name == "ssl_certificate");
    let expired = named.filter_map(|directive| {
        let folder = directive.file.parent().unwrap_or(Path::new(""));
        let file = folder.join(directive.arg(0)?);
        let expiry = lab_net::tls::expiry(&file).ok()?;
        (expiry.time < now).then(|| {
            let message = format!("{} has expired on {}", file.display(), expiry.text);
            directive_finding(&CERTIFICATE_EXPIRED, directive, message, "a certificate that is renewed in time")
        })
    });
    expired.collect()
}
