//! What clients can write into where it is read as something else.

use super::scope::{Block, argument};
use crate::lint::finding::Finding;
use crate::lint::rule::{Rule, Severity};

pub(super) const DECODED_URI: Rule = Rule {
    name: "decoded-uri",
    severity: Severity::Error,
    why: "$uri is decoded: %0d%0a in a request becomes a line end in this place, and what follows it a field or a response of the client's making",
    source: "CWE-113; nginx, ngx_http_core_module, $uri: normalised, $request_uri as sent",
};

/// Directives that write a value into a head, with the first argument that is written.
const WRITERS: &[(&str, usize)] =
    &[("return", 1), ("add_header", 1), ("proxy_set_header", 1), ("proxy_pass", 0), ("rewrite", 1)];

pub(super) fn check(block: &Block, found: &mut Vec<Finding>) {
    for directive in block.all() {
        let Some((_, first)) = WRITERS.iter().find(|(name, _)| *name == directive.name) else { continue };
        if directive.name == "rewrite" && !directive.arg(1).is_some_and(is_elsewhere) {
            // stays inside, where the path is decoded anyway
            continue;
        }
        for arg in directive.args.iter().skip(*first) {
            for variable in ["uri", "document_uri"] {
                if mentions(&arg.value, variable) {
                    found.push(Finding::new(
                        &DECODED_URI,
                        argument(directive, arg),
                        format!("${variable} is written into a head by {}", directive.name),
                        "$request_uri, which is as the client sent it and has no line ends",
                    ));
                }
            }
        }
    }
}

/// Whether a rewrite's replacement is a redirect.
fn is_elsewhere(replacement: &str) -> bool {
    ["http://", "https://", "$scheme"].iter().any(|start| replacement.starts_with(start))
}

/// Whether a text has the variable of that name, in either of its spellings.
fn mentions(text: &str, variable: &str) -> bool {
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
    fn variables_are_told_from_those_that_begin_alike() {
        for (text, expected) in [
            ("https://x$uri", true),
            ("${uri}x", true),
            ("$uri$is_args", true),
            ("$uri_x", false),
            ("$request_uri", false),
            ("uri", false),
            ("${uri_x}", false),
        ] {
            assert_eq!(mentions(text, "uri"), expected, "{text}");
        }
    }
}
