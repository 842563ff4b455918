//! `proxy_set_header`, `add_header` and `proxy_pass_header`: field names and inheritance.

use super::scope::{Block, argument_location, directive_finding};
use crate::lint::finding::Finding;
use crate::lint::rule::{Rule, Severity};

pub(super) const MISSPELT_HEADER: Rule = Rule {
    name: "misspelt-header",
    severity: Severity::Error,
    why: "no application reads a field of this name, and the one that it reads comes unchanged from the client",
    source: "Werkzeug's ProxyFix, gunicorn's secure_scheme_headers; RFC 7239",
};

pub(super) const LINE_BREAK_IN_FIELD: Rule = Rule {
    name: "line-break-in-field",
    severity: Severity::Error,
    why: "nginx sends the line break, which is no part of a field: over HTTP/2 browsers refuse the whole response",
    source: "RFC 9113 §8.2.1; RFC 9112 §5.2: a sender must not fold lines",
};

pub(super) const SET_HEADER_NOT_INHERITED: Rule = Rule {
    name: "set-header-not-inherited",
    severity: Severity::Warning,
    why: "a level that has any proxy_set_header of its own inherits none, so the fields of the enclosing level are not sent",
    source: "nginx, ngx_http_proxy_module, proxy_set_header",
};

pub(super) const ADD_HEADER_NOT_INHERITED: Rule = Rule {
    name: "add-header-not-inherited",
    severity: Severity::Warning,
    why: "a level that has any add_header of its own inherits none, so security headers of the enclosing level are missing",
    source: "nginx, ngx_http_headers_module, add_header",
};

pub(super) const ADD_HEADER_WITHOUT_ALWAYS: Rule = Rule {
    name: "add-header-without-always",
    severity: Severity::Advice,
    why: "without always, nginx adds the field to responses with status 200, 201, 204, 206, 301, 302, 303, 304, 307 and 308 only, so error pages do not have it",
    source: "nginx, ngx_http_headers_module, add_header",
};

pub(super) const SERVER_PASSED_THROUGH: Rule = Rule {
    name: "server-passed-through",
    severity: Severity::Warning,
    why: "clients see which application server responds, and often its release",
    source: "RFC 9110, section 10.2.4: fine-grained detail makes it easier to find known holes",
};

/// Fields that applications read from proxies.
const KNOWN_FIELDS: &[&str] = &[
    "Forwarded",
    "Host",
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Forwarded-Port",
    "X-Forwarded-Prefix",
    "X-Forwarded-Proto",
    "X-Forwarded-Protocol",
    "X-Forwarded-Server",
    "X-Forwarded-Ssl",
    "X-Real-IP",
    "X-Request-ID",
    "X-Scheme",
    "X-Script-Name",
    "Upgrade",
    "Connection",
];

/// Fields of responses that protect error pages too, or that scripts need to read an error.
const PROTECTING_FIELDS: &[&str] = &[
    "Access-Control-Allow-Origin",
    "Content-Security-Policy",
    "Cross-Origin-Opener-Policy",
    "Cross-Origin-Resource-Policy",
    "Permissions-Policy",
    "Referrer-Policy",
    "Strict-Transport-Security",
    "X-Content-Type-Options",
    "X-Frame-Options",
];

/// The largest edit distance that counts as a misspelling.
const MAX_TYPOS: usize = 2;

/// The statuses of responses to which nginx adds fields without `always`.
const STATUSES_WITH_FIELDS: [u16; 10] = [200, 201, 204, 206, 301, 302, 303, 304, 307, 308];

pub(super) fn check(block: &Block, findings: &mut Vec<Finding>) {
    for setting in block.named("add_header") {
        if let [name, value, ..] = setting.args.as_slice()
            && value.value.contains('\n')
        {
            let message = format!("the value of {} has line breaks", name.value);
            let fix = "write it on one line, or join parts that set or map define";
            findings.push(Finding::new(&LINE_BREAK_IN_FIELD, argument_location(setting, name), message, fix));
        }
    }
    for setting in block.named("proxy_set_header") {
        let Some(name) = setting.args.first() else { continue };
        if let Some(correct) = correct_spelling(&name.value) {
            let message = format!("applications do not read \"{}\"; did you mean \"{correct}\"?", name.value);
            let fix = format!("proxy_set_header {correct} {};", setting.arg(1).unwrap_or_default());
            let finding = Finding::new(&MISSPELT_HEADER, argument_location(setting, name), message, fix);
            findings.push(finding.with_edit(name.span.clone(), correct));
        }
    }
    for field in block.named("proxy_pass_header") {
        if field.arg(0).is_some_and(|name| name.eq_ignore_ascii_case("server")) {
            let message = "the application server's Server field is passed to the client";
            findings.push(directive_finding(
                &SERVER_PASSED_THROUGH,
                field,
                message,
                "remove it; nginx then sends its own, without its release if server_tokens is off",
            ));
        }
    }
    let is_sure = returned_status(block).is_some_and(|status| STATUSES_WITH_FIELDS.contains(&status));
    for setting in block.named("add_header").filter(|_| !is_sure) {
        let [name, value] = setting.args.as_slice() else { continue };
        if is_protecting(&name.value) {
            let message = format!("error responses do not have {}", name.value);
            let finding = directive_finding(&ADD_HEADER_WITHOUT_ALWAYS, setting, message, "add always at the end");
            findings.push(finding.with_edit(value.span.end..value.span.end, " always"));
        }
    }
    check_inheritance(block, "proxy_set_header", &SET_HEADER_NOT_INHERITED, findings);
    check_inheritance(block, "add_header", &ADD_HEADER_NOT_INHERITED, findings);
}

fn is_protecting(name: &str) -> bool {
    PROTECTING_FIELDS.iter().any(|field| field.eq_ignore_ascii_case(name))
}

/// The status of every response of a block.
fn returned_status(block: &Block) -> Option<u16> {
    block.named("return").next()?.arg(0)?.parse().ok()
}

/// The known field that a name probably misspells.
pub(super) fn correct_spelling(name: &str) -> Option<&'static str> {
    let name = name.to_ascii_lowercase();
    if KNOWN_FIELDS.iter().any(|known| known.eq_ignore_ascii_case(&name)) {
        return None;
    }
    // short names are within two letters of each other
    let candidates = KNOWN_FIELDS.iter().filter(|known| known.len() > 2 * MAX_TYPOS + 1);
    let nearest = candidates.min_by_key(|known| strsim::damerau_levenshtein(&name, &known.to_ascii_lowercase()))?;
    (strsim::damerau_levenshtein(&name, &nearest.to_ascii_lowercase()) <= MAX_TYPOS).then_some(nearest)
}

/// Reports fields of the enclosing level that this level loses by having the same directive.
fn check_inheritance(block: &Block, name: &'static str, rule: &Rule, findings: &mut Vec<Finding>) {
    let Some(first) = block.named(name).next() else { return };
    let Some(parent) = block.parent() else { return };
    let fields = |directives: Vec<&lab_nginx_conf::Directive>| -> Vec<String> {
        directives.into_iter().filter_map(|directive| directive.arg(0).map(str::to_owned)).collect()
    };
    let own = fields(block.named(name).collect());
    let lost = fields(parent.effective(name));
    let is_lost = |field: &String| !own.iter().any(|own| own.eq_ignore_ascii_case(field));
    // Any field of a request matters; of those of a response, the ones that protect.
    let matters = |field: &String| name != "add_header" || is_protecting(field);
    let lost: Vec<String> = lost.into_iter().filter(|field| is_lost(field) && matters(field)).collect();
    if !lost.is_empty() {
        let (lost, kind) = (lost.join(", "), block.kind());
        let message = format!("this {kind} has its own {name}, so it loses {lost} of the enclosing level");
        findings.push(directive_finding(rule, first, message, format!("repeat {lost} here")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspelt_names_are_recognised() {
        for (written, expected) in [
            ("X-Forward-For", Some("X-Forwarded-For")),
            ("X-Forwared-Proto", Some("X-Forwarded-Proto")),
            ("X-Real-Ip", None),
            ("X-RealIP", Some("X-Real-IP")),
            ("x-forwarded-for", None),
            ("X-Forwarded-User", None),
            ("X-Remote-User", None),
            ("Hots", None),
            ("X-Accel-Mapping", None),
            ("Accept-Encoding", None),
        ] {
            assert_eq!(correct_spelling(written), expected, "{written}");
        }
    }
}
