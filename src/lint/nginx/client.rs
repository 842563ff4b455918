//! The client's identity: which fields carry it, and which peers may set them.

use super::fields::correct_spelling;
use super::scope::{Block, directive_finding, directive_location};
use crate::lint::finding::Finding;
use crate::lint::rule::{Rule, Severity};
use crate::lint::spoofable_field::SpoofableField;
use lab_nginx_conf::Directive;

pub(super) const FORWARDED_FOR_UNSET: Rule = Rule {
    name: "forwarded-for-unset",
    severity: Severity::Warning,
    why: "the application sees the proxy's address for every client, and a forged X-Forwarded-For of a client arrives unchanged",
    source: "Werkzeug, Tell Flask it is behind a proxy; gunicorn, Deploying",
};

pub(super) const FORWARDED_FOR_FROM_CLIENT: Rule = Rule {
    name: "forwarded-for-from-client",
    severity: Severity::Error,
    why: "the client chooses the address; the one nginx saw is missing",
    source: "nginx, ngx_http_proxy_module, $proxy_add_x_forwarded_for",
};

pub(super) const FORWARDED_PROTO_UNSET: Rule = Rule {
    name: "forwarded-proto-unset",
    severity: Severity::Warning,
    why: "without the field the application takes https for http, in redirects and secure cookies; and a client's own arrives unchanged",
    source: "Werkzeug's ProxyFix (x_proto is 1 by default); gunicorn's secure_scheme_headers",
};

pub(super) const FORWARDED_FIELD_PASSED_ON: Rule = Rule {
    name: "forwarded-field-passed-on",
    severity: Severity::Advice,
    why: "ProxyFix, and gunicorn for the scheme, trust the field, because it comes from the proxy",
    source: "Werkzeug, Tell Flask it is behind a proxy; gunicorn's secure_scheme_headers",
};

pub(super) const FORWARDED_PROTO_FROM_CLIENT: Rule = Rule {
    name: "forwarded-proto-from-client",
    severity: Severity::Warning,
    why: "a client that reaches this proxy directly decides whether the application treats the connection as secure",
    source: "Werkzeug's ProxyFix; correct only behind another proxy that sets the field and cannot be bypassed",
};

pub(super) const HOST_UNSET: Rule = Rule {
    name: "host-unset",
    severity: Severity::Warning,
    why: "the application sees the upstream's name as its host, also in its redirects and absolute links",
    source: "nginx, ngx_http_proxy_module, proxy_set_header: Host is $proxy_host unless set",
};

pub(super) const REAL_IP_FROM_EVERYONE: Rule = Rule {
    name: "real-ip-from-everyone",
    severity: Severity::Error,
    why: "every client can choose its address in logs, limits and $remote_addr",
    source: "nginx, ngx_http_realip_module, set_real_ip_from: trusted addresses",
};

pub(super) const UNDERSCORES_IN_HEADERS: Rule = Rule {
    name: "underscores-in-headers",
    severity: Severity::Warning,
    why: "CGI names make X_Forwarded_For and X-Forwarded-For the same, so a client can set what only the proxy should",
    source: "nginx, underscores_in_headers; gunicorn's header_map",
};

pub(super) fn check(block: &Block, findings: &mut Vec<Finding>) {
    if let Some(pass) = block.proxy_pass().filter(|_| !block.is_for_subrequests()) {
        // A server that only this machine reaches gets the fields of a proxy before it.
        if !block.listens_on_loopback() {
            check_forwarded_fields(block, pass, findings);
        }
        check_host(block, pass, findings);
    }
    for from in block.named("set_real_ip_from") {
        let range = from.arg(0).unwrap_or_default();
        if range.ends_with("/0") {
            let message = format!("{range} includes every address, so every client can choose its own");
            findings.push(directive_finding(
                &REAL_IP_FROM_EVERYONE,
                from,
                message,
                "name the addresses of the proxies in front of this one",
            ));
        }
    }
    for underscores in block.named("underscores_in_headers").filter(|directive| directive.arg(0) == Some("on")) {
        let message = "fields with underscores in their names are passed on";
        findings.push(directive_finding(
            &UNDERSCORES_IN_HEADERS,
            underscores,
            message,
            "leave it off and rename the field",
        ));
    }
}

/// Variables with the address of the client.
const CLIENT_ADDRESSES: [&str; 4] =
    ["$remote_addr", "$realip_remote_addr", "$proxy_add_x_forwarded_for", "$proxy_protocol_addr"];

/// Checks the fields in which the application learns about the client.
fn check_forwarded_fields(block: &Block, pass: &Directive, findings: &mut Vec<Finding>) {
    let settings = block.effective("proxy_set_header");
    let misspelt = |name: &str| settings.iter().any(|setting| setting.arg(0).and_then(correct_spelling) == Some(name));
    let sends = |values: &[&str]| {
        let sent =
            |setting: &&Directive| setting.arg(1).is_some_and(|value| values.iter().any(|one| value.contains(one)));
        settings.iter().any(sent)
    };
    let is_from_client = |set: &Directive| set.arg(1).is_some_and(|value| value.contains("$http_x_forwarded_proto"));
    // The fields that arrive as the client sent them, each with what would set it.
    let mut passed_on: Vec<(&str, &str)> = Vec::new();
    match block.set_header("X-Forwarded-For") {
        None if misspelt("X-Forwarded-For") || block.set_header("Forwarded").is_some() => {}
        // Another field has it, such as X-Real-IP.
        None if sends(&CLIENT_ADDRESSES) => passed_on.push(("X-Forwarded-For", "$proxy_add_x_forwarded_for")),
        None => findings.push(directive_finding(
            &FORWARDED_FOR_UNSET,
            pass,
            "the application does not learn the client's address",
            "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;",
        )),
        Some(set) => {
            let value = set.arg(1).unwrap_or_default();
            if value.contains("$http_x_forwarded_for") && !value.contains("$remote_addr") {
                let message = "X-Forwarded-For is passed on as the client sent it";
                let fix = "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;";
                findings.push(directive_finding(&FORWARDED_FOR_FROM_CLIENT, set, message, fix));
            }
        }
    }
    match block.set_header("X-Forwarded-Proto") {
        None if misspelt("X-Forwarded-Proto") => {}
        // Another field has it, such as X-Scheme; or there is one scheme only, unless another proxy stands before this one.
        None if sends(&["$scheme", "$https", "https"]) || !block.speaks_tls() => {
            passed_on.push(("X-Forwarded-Proto", "$scheme"));
        }
        None => findings.push(directive_finding(
            &FORWARDED_PROTO_UNSET,
            pass,
            "the application does not learn that clients use https, and trusts a client that says so",
            "proxy_set_header X-Forwarded-Proto $scheme;",
        )),
        // Without TLS, only a proxy before this one can know the scheme.
        Some(set) if is_from_client(set) && !block.speaks_tls() => passed_on.push(("X-Forwarded-Proto", "$scheme")),
        Some(set) if is_from_client(set) => {
            let message = "X-Forwarded-Proto is passed on as the client sent it";
            findings.push(directive_finding(
                &FORWARDED_PROTO_FROM_CLIENT,
                set,
                message,
                "proxy_set_header X-Forwarded-Proto $scheme;",
            ));
        }
        Some(_) => {}
    }
    if !passed_on.is_empty() {
        let names: Vec<&str> = passed_on.iter().map(|(name, _)| *name).collect();
        let (reach, it) = if names.len() == 1 { ("reaches", "it") } else { ("reach", "them") };
        let message = format!("{} {reach} the application as the client sent {it}", names.join(" and "));
        let fixes: Vec<String> =
            passed_on.iter().map(|(name, value)| format!("proxy_set_header {name} {value};")).collect();
        let fix = format!("{} unless a proxy before this one sets {it}", fixes.join(" "));
        findings.push(directive_finding(&FORWARDED_FIELD_PASSED_ON, pass, message, fix));
    }
}

fn check_host(block: &Block, pass: &Directive, findings: &mut Vec<Finding>) {
    // Applications that trust the proxy prefer X-Forwarded-Host.
    if block.set_header("Host").is_none() && block.set_header("X-Forwarded-Host").is_none() {
        let message = "the application sees the upstream's name as its host, not the one the client used";
        findings.push(directive_finding(&HOST_UNSET, pass, message, "proxy_set_header Host $http_host;"));
    }
}

/// The fields that Werkzeug's ProxyFix can trust.
const TRUSTED: &[&str] =
    &["X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Port", "X-Forwarded-Prefix"];

/// Adds the fields that a `proxy_pass` of the block or below it sends unchanged, each once.
pub(super) fn collect_spoofable(block: &Block, fields: &mut Vec<SpoofableField>) {
    if let Some(pass) = block.proxy_pass().filter(|_| !block.is_for_subrequests()) {
        for name in TRUSTED.iter().filter(|name| block.set_header(name).is_none()) {
            if !fields.iter().any(|field| field.name == *name) {
                fields.push(SpoofableField { name, location: directive_location(pass) });
            }
        }
    }
    for child in block.children() {
        collect_spoofable(&child, fields);
    }
}
