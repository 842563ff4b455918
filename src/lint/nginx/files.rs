//! Paths: the file or upstream path that a request maps to.

use super::scope::{Block, directive_finding};
use crate::lint::finding::Finding;
use crate::lint::rule::{Rule, Severity};
use lab_nginx_conf::Directive;

pub(super) const ALIAS_TRAVERSAL: Rule = Rule {
    name: "alias-traversal",
    severity: Severity::Error,
    why: "the location matches /name../ too, which the alias maps to the parent folder, so anyone can read its files",
    source: "nginx, ngx_http_core_module, alias: replaces the location's text",
};

pub(super) const ALIAS_WITHOUT_SLASH: Rule = Rule {
    name: "alias-without-slash",
    severity: Severity::Error,
    why: "the slash is replaced with the rest of the location, so folder and file name run together",
    source: "nginx, ngx_http_core_module, alias",
};

pub(super) const DEFAULT_ROOT: Rule = Rule {
    name: "default-root",
    severity: Severity::Warning,
    why: "without root nginx uses the folder html below its prefix, which has the welcome page and no file of the application",
    source: "nginx, ngx_http_core_module, root: html by default",
};

pub(super) const PASS_WITHOUT_SLASH: Rule = Rule {
    name: "pass-without-slash",
    severity: Severity::Warning,
    why: "the location's text is replaced with the slash, so /name/x reaches the application as //x, and /namex as /x",
    source: "nginx, ngx_http_proxy_module, proxy_pass with a URI",
};

pub(super) const REGEX_DOT: Rule = Rule {
    name: "regex-dot",
    severity: Severity::Advice,
    why: "a dot matches any character, so the location has more paths than it says",
    source: "PCRE pattern syntax",
};

pub(super) fn check(block: &Block, findings: &mut Vec<Finding>) {
    if let Some(location) = block.opener.filter(|opener| opener.name == "location") {
        if let Some(path) = location_prefix(location) {
            check_alias(block, path, findings);
            check_proxy_pass(block, path, findings);
        }
        if let Some(pattern) = location_pattern(location).filter(|pattern| has_bare_dot(pattern)) {
            let message = format!("the dot in \"{pattern}\" matches any character");
            findings.push(directive_finding(&REGEX_DOT, location, message, "write \\. for a dot"));
        }
    }
    if block.effective("root").is_empty() && block.effective("alias").is_empty() {
        check_default_root(block, findings);
    }
}

/// The path of a prefix location, with or without `^~`.
fn location_prefix(location: &Directive) -> Option<&str> {
    match (location.arg(0)?, location.arg(1)) {
        ("^~", path) => path,
        (path, None) if !path.starts_with(['=', '~', '@']) => Some(path),
        _ => None,
    }
}

fn location_pattern(location: &Directive) -> Option<&str> {
    match (location.arg(0)?, location.arg(1)) {
        ("~" | "~*", pattern) => pattern,
        _ => None,
    }
}

fn check_alias(block: &Block, path: &str, findings: &mut Vec<Finding>) {
    for alias in block.named("alias") {
        let folder = alias.arg(0).unwrap_or_default();
        if !path.ends_with('/') && folder.ends_with('/') {
            let message =
                format!("the location has no final slash but the alias has one: {path}../ leads above {folder}");
            let location = block.opener.unwrap_or(alias);
            findings.push(directive_finding(
                &ALIAS_TRAVERSAL,
                location,
                message,
                format!("location {path}/ {{ alias {folder}; }}"),
            ));
        }
        if path.ends_with('/') && !folder.ends_with('/') && !folder.contains('$') {
            let message = format!("the location has a final slash but the alias has none: {path}x maps to {folder}x");
            findings.push(directive_finding(&ALIAS_WITHOUT_SLASH, alias, message, format!("alias {folder}/;")));
        }
    }
}

fn check_proxy_pass(block: &Block, path: &str, findings: &mut Vec<Finding>) {
    let Some(pass) = block.proxy_pass() else { return };
    let target = pass.arg(0).unwrap_or_default();
    let after_scheme = target.split_once("://").map_or(target, |(_, rest)| rest);
    let has_only_slash = after_scheme.split_once('/').is_some_and(|(_, uri)| uri.is_empty());
    if !path.ends_with('/') && has_only_slash {
        let message = format!("{path}/x is passed on as //x");
        findings.push(directive_finding(
            &PASS_WITHOUT_SLASH,
            pass,
            message,
            format!("location {path}/ {{ proxy_pass {target}; }}"),
        ));
    }
}

/// Reports file lookups in a block without a root.
fn check_default_root(block: &Block, findings: &mut Vec<Finding>) {
    let fix = "set root to the folder of the static files";
    for files in block.named("try_files") {
        // the last argument is the fallback
        if files.args.len() > 1 {
            findings.push(directive_finding(&DEFAULT_ROOT, files, "try_files is used without a root", fix));
        }
    }
    if let Some(condition) = block.opener.filter(|opener| opener.name == "if")
        && condition.args.iter().any(|arg| arg.value.contains("$request_filename"))
    {
        findings.push(directive_finding(&DEFAULT_ROOT, condition, "$request_filename is used without a root", fix));
    }
}

/// Whether a pattern has a dot before a word, as in `.css`, that is neither escaped nor repeated.
fn has_bare_dot(pattern: &str) -> bool {
    let bytes = pattern.as_bytes();
    let mut is_escaped = false;
    let mut in_class = false;
    for (index, byte) in bytes.iter().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'[' => in_class = true,
            b']' => in_class = false,
            b'.' if !in_class => {
                let rest = &bytes[index + 1..];
                let word = if rest.first() == Some(&b'(') { &rest[1..] } else { rest };
                if word.first().is_some_and(u8::is_ascii_alphanumeric) {
                    return true;
                }
            }
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bare_dots_before_words() {
        for (pattern, expected) in [
            (".css$", true),
            (r"\.css$", false),
            (".(js|css)$", true),
            (r"\.(js|css)$", false),
            ("^/.*$", false),
            ("^/.+/x", false),
            ("[.a]b", false),
            (r"\\.css", true),
            (".(?:js)$", false),
        ] {
            assert_eq!(has_bare_dot(pattern), expected, "{pattern}");
        }
    }
}
