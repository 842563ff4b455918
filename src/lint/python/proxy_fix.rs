//! Werkzeug's `ProxyFix`: how many proxies it believes, and for what.

use std::path::Path;

use super::facts::{Call, Facts};
use super::place;
use crate::lint::finding::Finding;
use crate::lint::nginx::Unset;
use crate::lint::rule::{Rule, Severity};

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
    why: "unless told otherwise it believes one proxy for X-Forwarded-For and for X-Forwarded-Proto, whether the proxy sets them or a client; before Werkzeug 0.15 it believed whatever was there",
    source: "Werkzeug, X-Forwarded-For Proxy Fix: set only the values the proxy sets",
};

pub(super) const BELIEVES_CLIENT: Rule = Rule {
    name: "proxyfix-believes-client",
    severity: Severity::Error,
    why: "the proxy passes this field on as the client sent it, and the application takes it for the proxy's word",
    source: "Werkzeug, Tell Flask it is behind a proxy: it is a security issue to trust values that came from the client",
};

/// ProxyFix's counts in the order of its arguments after the application, with the field each is about and how many
/// proxies it believes unless told.
const COUNTS: [(&str, &str, u32); 5] = [
    ("x_for", "X-Forwarded-For", 1),
    ("x_proto", "X-Forwarded-Proto", 1),
    ("x_host", "X-Forwarded-Host", 0),
    ("x_port", "X-Forwarded-Port", 0),
    ("x_prefix", "X-Forwarded-Prefix", 0),
];

pub(super) fn check(file: &Path, facts: &Facts, unset: &[Unset], found: &mut Vec<Finding>) {
    for import in &facts.imports {
        if import.module == "werkzeug.contrib" || import.module.starts_with("werkzeug.contrib.") {
            let message = format!("{} is not there any more", import.module);
            let fix = "from werkzeug.middleware.proxy_fix import ProxyFix";
            found.push(Finding::new(&IMPORT_REMOVED, place(file, &import.at), message, fix));
        }
    }
    for call in facts.calls.iter().filter(|call| call.name == "ProxyFix") {
        let at = || place(file, &call.at);
        if call.keywords.contains_key("num_proxies") {
            let message = "num_proxies is not there any more";
            found.push(Finding::new(
                &COUNT_REMOVED,
                at(),
                message,
                "x_for=1, x_proto=1, one for each field the proxy sets",
            ));
            continue;
        }
        if call.arguments.len() <= 1 && call.keywords.is_empty() {
            let message = "ProxyFix is not told which fields the proxy sets";
            let fix = "name what is believed: x_for=1, x_proto=1, x_host=1 where the proxy sets all three, 0 where it does not";
            found.push(Finding::new(&TRUST_UNSAID, at(), message, fix));
        }
        for (index, (argument, field, usual)) in COUNTS.iter().enumerate() {
            let believed = believed(call, index, argument).unwrap_or(*usual);
            let Some(unset) = unset.iter().find(|unset| unset.field == *field) else { continue };
            if believed > 0 {
                let place = format!("{}:{}", unset.place.file.display(), unset.place.line);
                let message = format!("{field} is believed, and {place} does not set it");
                let fix = format!("{argument}=0, or set {field} at {place}");
                found.push(Finding::new(&BELIEVES_CLIENT, at(), message, fix));
            }
        }
    }
}

/// How many proxies a call tells ProxyFix to believe for one field; `None` if it does not say, or not as a literal.
fn believed(call: &Call, index: usize, name: &str) -> Option<u32> {
    let said = call.keywords.get(name).or_else(|| call.arguments.get(index + 1))?;
    said.as_deref()?.parse().ok()
}
