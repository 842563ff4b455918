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
    severity: Severity::Error,
    why: "a client's X-Forwarded-Proto arrives unchanged, and ProxyFix and gunicorn trust the proxy; without the field the application takes https for http, in redirects and secure cookies",
    source: "Werkzeug's ProxyFix (x_proto is 1 by default); gunicorn's secure_scheme_headers",
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
    if let Some(pass) = block.proxy_pass() {
        check_forwarded_fields(block, pass, findings);
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

/// Checks the fields in which the application learns about the client.
fn check_forwarded_fields(block: &Block, pass: &Directive, findings: &mut Vec<Finding>) {
    let misspelt = |name: &str| {
        let settings = block.effective("proxy_set_header");
        settings.iter().any(|setting| setting.arg(0).and_then(correct_spelling) == Some(name))
    };
    match block.set_header("X-Forwarded-For") {
        None if misspelt("X-Forwarded-For") || block.set_header("Forwarded").is_some() => {}
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
        None => findings.push(directive_finding(
            &FORWARDED_PROTO_UNSET,
            pass,
            "the application does not learn the client's scheme, and trusts a client that sends one",
            "proxy_set_header X-Forwarded-Proto $scheme;",
        )),
        Some(set) if set.arg(1).is_some_and(|value| value.contains("$http_x_forwarded_proto")) => {
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
    if let Some(pass) = block.proxy_pass() {
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
