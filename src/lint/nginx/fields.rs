//! Fields that are set, added and passed: their names, and whom they reach.

use super::scope::{Block, argument, at};
use crate::lint::finding::Finding;
use crate::lint::rule::{Rule, Severity};

pub(super) const MISSPELT_HEADER: Rule = Rule {
    name: "misspelt-header",
    severity: Severity::Error,
    why: "no application reads a field of this name, and the field that it does read comes from the client as it is",
    source: "Werkzeug's ProxyFix, gunicorn's secure_scheme_headers; RFC 7239",
};

pub(super) const SET_HEADER_NOT_INHERITED: Rule = Rule {
    name: "set-header-not-inherited",
    severity: Severity::Warning,
    why: "a level that has any proxy_set_header of its own inherits none, so what was set further out is not sent",
    source: "nginx, ngx_http_proxy_module, proxy_set_header",
};

pub(super) const ADD_HEADER_NOT_INHERITED: Rule = Rule {
    name: "add-header-not-inherited",
    severity: Severity::Warning,
    why: "a level that has any add_header of its own inherits none, so security headers set further out are missing",
    source: "nginx, ngx_http_headers_module, add_header",
};

pub(super) const SERVER_PASSED_THROUGH: Rule = Rule {
    name: "server-passed-through",
    severity: Severity::Warning,
    why: "the world is told which application server answers, and often which release of it",
    source: "RFC 9110, section 10.2.4: fine-grained detail makes it easier to find known holes",
};

/// What proxies tell applications, as applications spell it.
const TOLD: &[&str] = &[
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

/// How many letters may differ in a slip of the pen.
const SLIPS: usize = 2;

pub(super) fn check(block: &Block, found: &mut Vec<Finding>) {
    for setting in block.own("proxy_set_header") {
        let Some(name) = setting.args.first() else { continue };
        if let Some(meant) = meant(&name.value) {
            found.push(Finding::new(
                &MISSPELT_HEADER,
                argument(setting, name),
                format!("\"{}\" is not what applications read; did you mean \"{meant}\"?", name.value),
                format!("proxy_set_header {meant} {};", setting.arg(1).unwrap_or_default()),
            ));
        }
    }
    for field in block.own("proxy_pass_header") {
        if field.arg(0).is_some_and(|name| name.eq_ignore_ascii_case("server")) {
            let message = "the application server's Server field is passed to the client";
            found.push(at(
                &SERVER_PASSED_THROUGH,
                field,
                message,
                "leave it out; nginx then says its own, and `server_tokens off;` no release",
            ));
        }
    }
    not_inherited(block, "proxy_set_header", &SET_HEADER_NOT_INHERITED, found);
    not_inherited(block, "add_header", &ADD_HEADER_NOT_INHERITED, found);
}

/// The name that was probably meant, if it is not one that is in use.
pub(super) fn meant(name: &str) -> Option<&'static str> {
    let name = name.to_ascii_lowercase();
    if TOLD.iter().any(|told| told.eq_ignore_ascii_case(&name)) {
        return None;
    }
    // short names are within two letters of each other
    let candidates = TOLD.iter().filter(|told| told.len() > 2 * SLIPS + 1);
    let nearest = candidates.min_by_key(|told| strsim::damerau_levenshtein(&name, &told.to_ascii_lowercase()))?;
    (strsim::damerau_levenshtein(&name, &nearest.to_ascii_lowercase()) <= SLIPS).then_some(nearest)
}

/// Tells of each directive of a list that holds further out and not here.
fn not_inherited(block: &Block, name: &'static str, rule: &Rule, found: &mut Vec<Finding>) {
    let Some(first) = block.own(name).next() else { return };
    let Some(around) = block.around() else { return };
    let fields = |directives: Vec<&lab_nginx_conf::Directive>| -> Vec<String> {
        directives.into_iter().filter_map(|directive| directive.arg(0).map(str::to_owned)).collect()
    };
    let own = fields(block.own(name).collect());
    let lost = fields(around.effective(name));
    let lost: Vec<_> = lost.into_iter().filter(|field| !own.iter().any(|o| o.eq_ignore_ascii_case(field))).collect();
    if !lost.is_empty() {
        let (lost, there) = (lost.join(", "), block.kind());
        let message = format!("this {there} has a {name} of its own, and so loses {lost} of the level around it");
        found.push(at(rule, first, message, format!("repeat {lost} here")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_of_the_pen_are_told_from_other_names() {
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
            assert_eq!(meant(written), expected, "{written}");
        }
    }
}
