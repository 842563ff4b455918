//! Who the client is: what the application is told of it, and who may say so.

use super::Unset;
use super::fields::meant;
use super::scope::{Block, at, place};
use crate::lint::finding::Finding;
use crate::lint::rule::{Rule, Severity};
use lab_nginx_conf::Directive;

pub(super) const FORWARDED_FOR_UNSET: Rule = Rule {
    name: "forwarded-for-unset",
    severity: Severity::Warning,
    why: "the application sees the proxy's address for every client, and an X-Forwarded-For that a client made up arrives untouched",
    source: "Werkzeug, Tell Flask it is behind a proxy; gunicorn, Deploying",
};

pub(super) const FORWARDED_FOR_FROM_CLIENT: Rule = Rule {
    name: "forwarded-for-from-client",
    severity: Severity::Error,
    why: "the address is what the client says it is; the one nginx saw is not in it",
    source: "nginx, ngx_http_proxy_module, $proxy_add_x_forwarded_for",
};

pub(super) const FORWARDED_PROTO_UNSET: Rule = Rule {
    name: "forwarded-proto-unset",
    severity: Severity::Error,
    why: "an X-Forwarded-Proto from the client arrives untouched, and ProxyFix and gunicorn believe what comes from the proxy; without one the application takes https for http, in redirects and secure cookies",
    source: "Werkzeug's ProxyFix (x_proto is 1 unless told otherwise); gunicorn's secure_scheme_headers",
};

pub(super) const FORWARDED_PROTO_FROM_CLIENT: Rule = Rule {
    name: "forwarded-proto-from-client",
    severity: Severity::Warning,
    why: "whoever reaches this proxy directly decides whether the application believes the connection to be secure",
    source: "Werkzeug's ProxyFix; right only behind another proxy that sets the field and cannot be passed by",
};

pub(super) const HOST_UNSET: Rule = Rule {
    name: "host-unset",
    severity: Severity::Warning,
    why: "the application is asked for the upstream's name, which ends up in its redirects and absolute links",
    source: "nginx, ngx_http_proxy_module, proxy_set_header: Host is $proxy_host unless set",
};

pub(super) const REAL_IP_FROM_EVERYONE: Rule = Rule {
    name: "real-ip-from-everyone",
    severity: Severity::Error,
    why: "every client may name any address as its own, in logs, limits and $remote_addr alike",
    source: "nginx, ngx_http_realip_module, set_real_ip_from: trusted addresses",
};

pub(super) const UNDERSCORES_IN_HEADERS: Rule = Rule {
    name: "underscores-in-headers",
    severity: Severity::Warning,
    why: "CGI names make X_Forwarded_For and X-Forwarded-For the same, so a client can say what only the proxy should",
    source: "nginx, underscores_in_headers; gunicorn's header_map",
};

pub(super) fn check(block: &Block, found: &mut Vec<Finding>) {
    if let Some(pass) = block.pass() {
        told(block, pass, found);
    }
    for from in block.own("set_real_ip_from") {
        let range = from.arg(0).unwrap_or_default();
        if range.ends_with("/0") {
            let message = format!("{range} is everyone, so everyone may say who they are");
            found.push(at(
                &REAL_IP_FROM_EVERYONE,
                from,
                message,
                "name the addresses of the proxies in front of this one",
            ));
        }
    }
    for underscores in block.own("underscores_in_headers").filter(|directive| directive.arg(0) == Some("on")) {
        let message = "fields with underscores in their names are passed on";
        found.push(at(&UNDERSCORES_IN_HEADERS, underscores, message, "leave it off and rename the field"));
    }
}

/// What the application is told by a block that passes requests on.
fn told(block: &Block, pass: &Directive, found: &mut Vec<Finding>) {
    let misspelt = |name: &str| {
        let settings = block.effective("proxy_set_header");
        settings.iter().any(|setting| setting.arg(0).and_then(meant) == Some(name))
    };
    match block.sent("X-Forwarded-For") {
        None if misspelt("X-Forwarded-For") || block.sent("Forwarded").is_some() => {}
        None => found.push(at(
            &FORWARDED_FOR_UNSET,
            pass,
            "the application is not told the client's address",
            "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;",
        )),
        Some(set) => {
            let value = set.arg(1).unwrap_or_default();
            if value.contains("$http_x_forwarded_for") && !value.contains("$remote_addr") {
                let message = "X-Forwarded-For is passed on as the client sent it";
                let fix = "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;";
                found.push(at(&FORWARDED_FOR_FROM_CLIENT, set, message, fix));
            }
        }
    }
    match block.sent("X-Forwarded-Proto") {
        None if misspelt("X-Forwarded-Proto") => {}
        None => found.push(at(
            &FORWARDED_PROTO_UNSET,
            pass,
            "the application is not told how the client is connected, and believes a client that tells it",
            "proxy_set_header X-Forwarded-Proto $scheme;",
        )),
        Some(set) if set.arg(1).is_some_and(|value| value.contains("$http_x_forwarded_proto")) => {
            let message = "X-Forwarded-Proto is passed on as the client sent it";
            found.push(at(&FORWARDED_PROTO_FROM_CLIENT, set, message, "proxy_set_header X-Forwarded-Proto $scheme;"));
        }
        Some(_) => {}
    }
    if block.sent("Host").is_none() {
        let message = "the application is asked for by the upstream's name, not by the one the client used";
        found.push(at(&HOST_UNSET, pass, message, "proxy_set_header Host $http_host;"));
    }
}

/// What Werkzeug's ProxyFix may believe.
const BELIEVED: &[&str] =
    &["X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Port", "X-Forwarded-Prefix"];

/// Adds the fields that some `proxy_pass` of a block sends as they came, each once.
pub(super) fn collect_unset(block: &Block, found: &mut Vec<Unset>) {
    if let Some(pass) = block.pass() {
        for field in BELIEVED.iter().filter(|field| block.sent(field).is_none()) {
            if !found.iter().any(|known| known.field == *field) {
                found.push(Unset { field, place: place(pass) });
            }
        }
    }
    for inner in block.inner() {
        collect_unset(&inner, found);
    }
}
