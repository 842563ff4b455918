//! Werkzeug's `ProxyFix`: how many proxies it trusts for each field.

use std::path::Path;

use super::module::{Call, PythonModule};
use crate::lint::finding::{Finding, SourceLocation};
use crate::lint::rule::{Rule, Severity};
use crate::lint::spoofable_field::SpoofableField;

pub(super) const IMPORT_REMOVED: Rule = Rule {
    name: "proxyfix-import-removed",
    severity: Severity::Error,
    why: "Werkzeug 1.0 removed werkzeug.contrib: the application does not start",
    source: "Werkzeug 0.15 and 1.0, changes",
};

pub(super) const COUNT_REMOVED: Rule = Rule {
    name: "proxyfix-num-proxies-removed",
    severity: Severity::Error,
    why: "Werkzeug 1.0 removed num_proxies: the application does not start",
    source: "Werkzeug 0.15 and 1.0, changes",
};

pub(super) const TRUST_UNSAID: Rule = Rule {
    name: "proxyfix-trust-unsaid",
    severity: Severity::Warning,
    why: "by default it trusts one proxy for X-Forwarded-For and X-Forwarded-Proto, even if the proxy passes on what the client sent; before Werkzeug 0.15 it trusted any value",
    source: "Werkzeug, X-Forwarded-For Proxy Fix: set only the values the proxy sets",
};

pub(super) const BELIEVES_CLIENT: Rule = Rule {
    name: "proxyfix-believes-client",
    severity: Severity::Error,
    why: "the proxy passes this field on as the client sent it, and the application trusts it",
    source: "Werkzeug, Tell Flask it is behind a proxy: it is a security issue to trust values that came from the client",
};

/// ProxyFix's arguments after the application, in order: the name, the field, and the default number of trusted
/// proxies.
const COUNTS: [(&str, &str, u32); 5] = [
    ("x_for", "X-Forwarded-For", 1),
    ("x_proto", "X-Forwarded-Proto", 1),
    ("x_host", "X-Forwarded-Host", 0),
    ("x_port", "X-Forwarded-Port", 0),
    ("x_prefix", "X-Forwarded-Prefix", 0),
];

pub(super) fn check(file: &Path, module: &PythonModule, spoofable: &[SpoofableField], findings: &mut Vec<Finding>) {
    for import in &module.imports {
        if import.module == "werkzeug.contrib" || import.module.starts_with("werkzeug.contrib.") {
            let message = format!("{} no longer exists", import.module);
            let fix = "from werkzeug.middleware.proxy_fix import ProxyFix";
            findings.push(Finding::new(&IMPORT_REMOVED, import.position.in_file(file), message, fix));
        }
    }
    for call in module.calls.iter().filter(|call| call.name == "ProxyFix") {
        let location = || call.position.in_file(file);
        if call.keywords.contains_key("num_proxies") {
            let message = "num_proxies no longer exists";
            findings.push(Finding::new(
                &COUNT_REMOVED,
                location(),
                message,
                "x_for=1, x_proto=1, one for each field the proxy sets",
            ));
            continue;
        }
        if call.arguments.len() <= 1 && call.keywords.is_empty() {
            let message = "ProxyFix does not name the fields that the proxy sets";
            let fix = "name the trusted fields: x_for=1, x_proto=1, x_host=1 if the proxy sets all three, 0 for a field it does not set";
            findings.push(Finding::new(&TRUST_UNSAID, location(), message, fix));
        }
        for (index, (argument, field, default)) in COUNTS.iter().enumerate() {
            let proxies = trusted_proxies(call, index, argument).unwrap_or(*default);
            let Some(spoofable) = spoofable.iter().find(|spoofable| spoofable.name == *field) else { continue };
            if proxies > 0 {
                let pass = format!("{}:{}", spoofable.location.file.display(), spoofable.location.line);
                let message = format!("ProxyFix trusts {field}, but {pass} does not set it");
                let fix = format!("{argument}=0, or set {field} at {pass}");
                findings.push(Finding::new(&BELIEVES_CLIENT, location(), message, fix));
            }
        }
    }
}

/// The number of trusted proxies in a call; `None` without the argument, or if that is not a literal.
fn trusted_proxies(call: &Call, index: usize, name: &str) -> Option<u32> {
    let value = call.keywords.get(name).or_else(|| call.arguments.get(index + 1))?;
    value.as_deref()?.parse().ok()
}

/// The number of proxies whose `X-Forwarded-For` a `ProxyFix` trusts.
#[derive(Debug, Clone)]
pub struct TrustedHops {
    pub hops: u32,
    pub location: SourceLocation,
}

/// What each `ProxyFix` of a file trusts. Arguments that are no literals are left out.
#[must_use]
pub fn trusted_hops(file: &Path, module: &PythonModule) -> Vec<TrustedHops> {
    let calls =
        module.calls.iter().filter(|call| call.name == "ProxyFix" && !call.keywords.contains_key("num_proxies"));
    let trusted = calls.filter_map(|call| {
        let is_given = call.keywords.contains_key("x_for") || call.arguments.len() > 1;
        let hops = if is_given { trusted_proxies(call, 0, "x_for")? } else { COUNTS[0].2 };
        Some(TrustedHops { hops, location: call.position.in_file(file) })
    });
    trusted.collect()
}
