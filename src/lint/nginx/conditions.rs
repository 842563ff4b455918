//! `if`: conditions that are the wrong way round, and blocks that do what `if` is not made for.

use super::scope::{Block, at};
use crate::lint::finding::Finding;
use crate::lint::rule::{Rule, Severity};
use lab_nginx_conf::Directive;

pub(super) const INVERTED_FILE_TEST: Rule = Rule {
    name: "inverted-file-test",
    severity: Severity::Error,
    why: "the application is asked only for what is a file in the document root, and nginx answers 404 to everything else; a request for / arrives as /index.html",
    source: "nginx, ngx_http_rewrite_module, if: -f is true if the file exists, !-f if it does not",
};

pub(super) const IF_IN_LOCATION: Rule = Rule {
    name: "if-in-location",
    severity: Severity::Warning,
    why: "an if in a location is a location of its own: of several, the last that holds decides, and settings around it may or may not reach inside",
    source: "nginx, If is evil: only return and rewrite are sure to do what they say",
};

/// What an `if` in a location does without surprises.
const SAFE: &[&str] = &["return", "rewrite", "set", "break"];

pub(super) fn check(block: &Block, found: &mut Vec<Finding>) {
    let Some(opener) = block.opener.filter(|opener| opener.name == "if") else { return };
    if block.pass().is_some() && tests_that_file_is_there(opener) {
        found.push(at(
            &INVERTED_FILE_TEST,
            opener,
            format!("requests are passed on only if {} is there as a file", asked_for(opener)),
            "try_files $uri @app; with location @app { proxy_pass …; }",
        ));
        return;
    }
    if block.around().is_none_or(|around| around.kind() != "location") {
        return;
    }
    if let Some(surprising) = block.all().find(|directive| !SAFE.contains(&directive.name.as_str())) {
        let message = format!("{} in an if in a location does not always do what it says", surprising.name);
        let fix = match surprising.name.as_str() {
            "proxy_pass" => "a location of its own, reached by try_files or by rewrite … last",
            _ => "a map and its variable, or a location of its own",
        };
        found.push(at(&IF_IN_LOCATION, surprising, message, fix));
    }
}

/// The words between the parentheses.
fn words(opener: &Directive) -> Vec<&str> {
    let words = opener.args.iter().flat_map(|arg| arg.value.split_whitespace());
    words.map(|word| word.trim_matches(['(', ')'])).filter(|word| !word.is_empty()).collect()
}

fn tests_that_file_is_there(opener: &Directive) -> bool {
    matches!(words(opener)[..], ["-f" | "-e", _])
}

fn asked_for(opener: &Directive) -> String {
    words(opener).get(1).copied().unwrap_or_default().to_owned()
}
