//! Injection: decoded request data in response heads and upstream requests.

use super::scope::{Block, argument_location};
use crate::lint::finding::Finding;
use crate::lint::rule::{Rule, Severity};

pub(super) const DECODED_URI: Rule = Rule {
    name: "decoded-uri",
    severity: Severity::Error,
    why: "$uri is decoded: %0d%0a in a request becomes a line break here, and the client can add fields or a whole response after it",
    source: "CWE-113; nginx, ngx_http_core_module, $uri: normalised, $request_uri as sent",
};

/// Directives that write arguments into a head, with the index of the first such argument.
const HEAD_WRITERS: &[(&str, usize)] =
    &[("return", 1), ("add_header", 1), ("proxy_set_header", 1), ("proxy_pass", 0), ("rewrite", 1)];

pub(super) fn check(block: &Block, findings: &mut Vec<Finding>) {
    for directive in block.directives() {
        let Some((_, first)) = HEAD_WRITERS.iter().find(|(name, _)| *name == directive.name) else { continue };
        if directive.name == "rewrite" && !directive.arg(1).is_some_and(is_redirect) {
            // an internal rewrite, whose path is decoded anyway
            continue;
        }
        for arg in directive.args.iter().skip(*first) {
            for variable in ["uri", "document_uri"] {
                if has_variable(&arg.value, variable) {
                    findings.push(Finding::new(
                        &DECODED_URI,
                        argument_location(directive, arg),
                        format!("${variable} is written into a head by {}", directive.name),
                        "$request_uri, which is not decoded and has no line breaks",
                    ));
                }
            }
        }
    }
}

/// Whether a rewrite's replacement is a redirect.
fn is_redirect(replacement: &str) -> bool {
    ["http://", "https://", "$scheme"].iter().any(|start| replacement.starts_with(start))
}

/// Whether the text contains `$variable` or `${variable}`.
fn has_variable(text: &str, variable: &str) -> bool {
    text.match_indices('$').any(|(at, _)| {
        let rest = &text[at + 1..];
        match rest.strip_prefix('{') {
            Some(braced) => braced.strip_prefix(variable).is_some_and(|rest| rest.starts_with('}')),
            None => rest
                .strip_prefix(variable)
                .is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_match_by_whole_name() {
        for (text, expected) in [
            ("https://x$uri", true),
            ("${uri}x", true),
            ("$uri$is_args", true),
            ("$uri_x", false),
            ("$request_uri", false),
            ("uri", false),
            ("${uri_x}", false),
        ] {
            assert_eq!(has_variable(text, "uri"), expected, "{text}");
        }
    }
}
