//! Paths: which file or upstream path a request leads to.

use super::scope::{Block, at};
use crate::lint::finding::Finding;
use crate::lint::rule::{Rule, Severity};
use lab_nginx_conf::Directive;

pub(super) const ALIAS_TRAVERSAL: Rule = Rule {
    name: "alias-traversal",
    severity: Severity::Error,
    why: "the location matches /name../ too, which the alias turns into the folder above it: its files are served to anyone",
    source: "nginx, ngx_http_core_module, alias: the location's text is replaced, whatever follows it",
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
    why: "without root nginx looks in the folder html below its prefix, which holds the package's welcome page and none of the application's files",
    source: "nginx, ngx_http_core_module, root: html unless set",
};

pub(super) const PASS_WITHOUT_SLASH: Rule = Rule {
    name: "pass-without-slash",
    severity: Severity::Warning,
    why: "the location's text is replaced with the slash, so /name/x reaches the application as //x, and /namex as /x",
    source: "nginx, ngx_http_proxy_module, proxy_pass with a URI",
};

pub(super) const REGEX_DOT: Rule = Rule {
    name: "regex-dot",
    severity: Severity::Warning,
    why: "a dot stands for any character, so names match that do not have this extension",
    source: "PCRE pattern syntax",
};

pub(super) fn check(block: &Block, found: &mut Vec<Finding>) {
    if let Some(location) = block.opener.filter(|opener| opener.name == "location") {
        if let Some(path) = prefix(location) {
            aliased(block, path, found);
            passed(block, path, found);
        }
        if let Some(pattern) = pattern(location).filter(|pattern| has_bare_dot(pattern)) {
            let message = format!("the dot in \"{pattern}\" matches any character");
            found.push(at(&REGEX_DOT, location, message, "write \\. for a dot"));
        }
    }
    if block.effective("root").is_empty() && block.effective("alias").is_empty() {
        rootless(block, found);
    }
}

/// The path of a location that is a prefix, `^~` or not.
fn prefix(location: &Directive) -> Option<&str> {
    match (location.arg(0)?, location.arg(1)) {
        ("^~", path) => path,
        (path, None) if !path.starts_with(['=', '~', '@']) => Some(path),
        _ => None,
    }
}

/// The regular expression of a location that is one.
fn pattern(location: &Directive) -> Option<&str> {
    match (location.arg(0)?, location.arg(1)) {
        ("~" | "~*", pattern) => pattern,
        _ => None,
    }
}

fn aliased(block: &Block, path: &str, found: &mut Vec<Finding>) {
    for alias in block.own("alias") {
        let folder = alias.arg(0).unwrap_or_default();
        if !path.ends_with('/') && folder.ends_with('/') {
            let message =
                format!("the location has no slash at its end, and the alias has: {path}../ leads above {folder}");
            let here = block.opener.unwrap_or(alias);
            found.push(at(&ALIAS_TRAVERSAL, here, message, format!("location {path}/ {{ alias {folder}; }}")));
        }
        if path.ends_with('/') && !folder.ends_with('/') && !folder.contains('$') {
            let message =
                format!("the location ends with a slash and the alias does not: {path}x is looked for as {folder}x");
            found.push(at(&ALIAS_WITHOUT_SLASH, alias, message, format!("alias {folder}/;")));
        }
    }
}

fn passed(block: &Block, path: &str, found: &mut Vec<Finding>) {
    let Some(pass) = block.pass() else { return };
    let target = pass.arg(0).unwrap_or_default();
    let after_scheme = target.split_once("://").map_or(target, |(_, rest)| rest);
    let has_only_slash = after_scheme.split_once('/').is_some_and(|(_, uri)| uri.is_empty());
    if !path.ends_with('/') && has_only_slash {
        let message = format!("{path}/x is passed on as //x");
        found.push(at(&PASS_WITHOUT_SLASH, pass, message, format!("location {path}/ {{ proxy_pass {target}; }}")));
    }
}

/// Tells of what looks at files in a block that has no root.
fn rootless(block: &Block, found: &mut Vec<Finding>) {
    let fix = "root with the folder of the static files";
    for files in block.own("try_files") {
        // the last argument is where to go when there is none
        let (_, looked_for) = files.args.split_last().map_or((None, &[][..]), |(last, rest)| (Some(last), rest));
        if !looked_for.is_empty() {
            found.push(at(&DEFAULT_ROOT, files, "files are looked for, and no root says where", fix));
        }
    }
    if let Some(condition) = block.opener.filter(|opener| opener.name == "if")
        && condition.args.iter().any(|arg| arg.value.contains("$request_filename"))
    {
        found.push(at(&DEFAULT_ROOT, condition, "a file is looked for, and no root says where", fix));
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
    fn a_dot_before_a_word_is_bare_unless_escaped_repeated_or_in_a_class() {
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
