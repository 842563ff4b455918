//! TLS: versions and ciphers that are broken.

use super::scope::{Block, directive_finding};
use crate::lint::finding::Finding;
use crate::lint::rule::{Rule, Severity};

pub(super) const OLD_TLS: Rule = Rule {
    name: "old-tls",
    severity: Severity::Error,
    why: "these versions have known attacks (POODLE, BEAST), and browsers refuse them since 2020",
    source: "RFC 8996 and RFC 7568: TLS 1.0, TLS 1.1 and SSL 3.0 must not be used",
};

pub(super) const WEAK_CIPHERS: Rule = Rule {
    name: "weak-ciphers",
    severity: Severity::Error,
    why: "these ciphers can be broken or do not authenticate, and a client may choose one",
    source: "RFC 9325, section 4.1; RFC 7465; CVE-2016-2183 (SWEET32)",
};

const OLD_VERSIONS: [&str; 4] = ["SSLv2", "SSLv3", "TLSv1", "TLSv1.1"];

/// Parts of a cipher's name in OpenSSL's notation, each with the keyword that excludes its ciphers.
const WEAK_PARTS: [(&str, &str); 14] = [
    ("RC4", "RC4"),
    ("RC2", "RC2"),
    ("3DES", "3DES"),
    ("CBC3", "3DES"),
    ("DES", "DES"),
    ("MD5", "MD5"),
    ("NULL", "eNULL"),
    ("eNULL", "eNULL"),
    ("aNULL", "aNULL"),
    ("ADH", "aNULL"),
    ("AECDH", "aNULL"),
    ("EXP", "EXP"),
    ("EXPORT", "EXP"),
    ("LOW", "LOW"),
];

pub(super) fn check(block: &Block, findings: &mut Vec<Finding>) {
    for protocols in block.named("ssl_protocols").chain(block.named("proxy_ssl_protocols")) {
        let is_old = |value: &str| OLD_VERSIONS.contains(&value);
        let (old, kept): (Vec<_>, Vec<_>) =
            protocols.args.iter().map(|arg| arg.value.as_str()).partition(|value| is_old(value));
        if old.is_empty() {
            continue;
        }
        let message = format!("{} can be negotiated", old.join(", "));
        let fix = match kept.is_empty() {
            true => format!("{} TLSv1.2 TLSv1.3;", protocols.name),
            false => format!("{} {};", protocols.name, kept.join(" ")),
        };
        let span = protocols.span.clone();
        findings.push(directive_finding(&OLD_TLS, protocols, message, fix.clone()).with_edit(span, fix));
    }
    for ciphers in block.named("ssl_ciphers").chain(block.named("proxy_ssl_ciphers")) {
        let weak = weak_ciphers(ciphers.arg(0).unwrap_or_default());
        if !weak.is_empty() {
            let message = format!("{} can be negotiated", weak.join(", "));
            let fix = "the intermediate list of Mozilla's SSL Configuration Generator, or nginx's default";
            findings.push(directive_finding(&WEAK_CIPHERS, ciphers, message, fix));
        }
    }
}

/// The elements of a cipher list that name weak ciphers, and that no later `!` excludes.
fn weak_ciphers(list: &str) -> Vec<&str> {
    let elements: Vec<&str> = list.split([':', ',', ' ']).filter(|element| !element.is_empty()).collect();
    // `!` excludes for good, wherever it stands (ciphers(1ssl)).
    let excluded: Vec<&str> =
        elements.iter().filter_map(|element| element.strip_prefix('!')).flat_map(classes).collect();
    let is_weak = |element: &&str| {
        let is_listed = !element.starts_with(['!', '-', '+', '@']);
        let mut classes = classes(element);
        is_listed && classes.next().is_some() && !self::classes(element).any(|class| excluded.contains(&class))
    };
    elements.into_iter().filter(is_weak).collect()
}

/// The weak classes of an element, by the keywords that exclude them.
fn classes(element: &str) -> impl Iterator<Item = &'static str> {
    let parts = element.split(['-', '+']);
    parts.filter_map(|part| WEAK_PARTS.iter().find(|(weak, _)| *weak == part).map(|(_, class)| *class))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weak_ciphers_of_lists() {
        for (list, weak) in [
            ("HIGH:!aNULL:!MD5", ""),
            ("ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-CHACHA20-POLY1305", ""),
            ("HIGH:RC4-SHA", "RC4-SHA"),
            ("ECDHE-RSA-DES-CBC3-SHA:!3DES", ""),
            ("ECDHE-RSA-DES-CBC3-SHA:HIGH", "ECDHE-RSA-DES-CBC3-SHA"),
            ("ALL:!aNULL:!ADH:RC4+RSA:+HIGH:+MEDIUM:+LOW:+SSLv2:+EXP", "RC4+RSA"),
            ("aNULL:HIGH", "aNULL"),
            ("EECDH+AESGCM:EDH+AESGCM", ""),
            ("DEFAULT@SECLEVEL=0", ""),
        ] {
            assert_eq!(weak_ciphers(list).join(" "), weak, "{list}");
        }
    }
}
