//! `if`: inverted conditions, and directives that do not work reliably inside it.

use super::scope::{Block, directive_finding};
use crate::lint::finding::Finding;
use crate::lint::rule::{Rule, Severity};
use lab_nginx_conf::Directive;

pub(super) const INVERTED_FILE_TEST: Rule = Rule {
    name: "inverted-file-test",
    severity: Severity::Error,
    why: "the application only gets requests for files in the document root, and nginx responds 404 to all others; a request for / arrives as /index.html",
    source: "nginx, ngx_http_rewrite_module, if: -f is true if the file exists, !-f if it does not",
};

pub(super) const IF_IN_LOCATION: Rule = Rule {
    name: "if-in-location",
    severity: Severity::Warning,
    why: "an if in a location is a location of its own: the last one that is true wins, and it may not inherit the settings around it",
    source: "nginx, If is evil: only return and rewrite are safe",
};

/// The directives that work reliably in an `if` in a location.
const SAFE_IN_IF: &[&str] = &["return", "rewrite", "set", "break"];

pub(super) fn check(block: &Block, findings: &mut Vec<Finding>) {
    let Some(opener) = block.opener.filter(|opener| opener.name == "if") else { return };
    if block.proxy_pass().is_some() && tests_file_exists(opener) {
        findings.push(directive_finding(
            &INVERTED_FILE_TEST,
            opener,
            format!("requests are passed on only if the file {} exists", tested_path(opener)),
            "try_files $uri @app; with location @app { proxy_pass …; }",
        ));
        return;
    }
    // A response of its own is as the `if` says.
    let responds = block.named("return").next().is_some();
    if responds || block.parent().is_none_or(|parent| parent.kind() != "location") {
        return;
    }
    if let Some(unsafe_directive) = block.directives().find(|directive| !SAFE_IN_IF.contains(&directive.name.as_str()))
    {
        let message = format!("{} is unreliable in an if in a location", unsafe_directive.name);
        let fix = match unsafe_directive.name.as_str() {
            "proxy_pass" => "a location of its own, reached by try_files or by rewrite … last",
            _ => "a map and its variable, or a location of its own",
        };
        findings.push(directive_finding(&IF_IN_LOCATION, unsafe_directive, message, fix));
    }
}

/// The words between the parentheses.
fn words(opener: &Directive) -> Vec<&str> {
    let words = opener.args.iter().flat_map(|arg| arg.value.split_whitespace());
    words.map(|word| word.trim_matches(['(', ')'])).filter(|word| !word.is_empty()).collect()
}

fn tests_file_exists(opener: &Directive) -> bool {
    matches!(words(opener)[..], ["-f" | "-e", _])
}

fn tested_path(opener: &Directive) -> String {
    words(opener).get(1).copied().unwrap_or_default().to_owned()
}
