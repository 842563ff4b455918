//! What newer versions of nginx do differently with the same file, from 1.22 to 1.29. With a version, what that one does.

use super::scope::{Block, directive_finding};
use crate::lint::finding::Finding;
use crate::lint::rule::{Rule, Severity};
use lab_proxy::config::nginx_version::NginxVersion;

pub(super) const LISTEN_HTTP2: Rule = Rule {
    name: "listen-http2",
    severity: Severity::Advice,
    why: "from nginx 1.25.1 on, the parameter applies to every server of the address, and each reload warns of it",
    source: "nginx 1.25.1, changes: the http2 directive, which enables HTTP/2 for each server",
};

pub(super) const OBSOLETE_DIRECTIVE: Rule = Rule {
    name: "obsolete-directive",
    severity: Severity::Warning,
    why: "a newer nginx ignores the directive with a warning, or refuses to start",
    source: "nginx, changes: 1.25.1 (ssl, HTTP/2 server push), 1.19.7 (limits of HTTP/2)",
};

pub(super) const TLS_VERSIONS_BY_DEFAULT: Rule = Rule {
    name: "tls-versions-by-default",
    severity: Severity::Advice,
    why: "the default differs: TLS 1.0 to 1.2 up to nginx 1.23.3, also 1.3 from 1.23.4 on, and only 1.2 and 1.3 from 1.27.3 on",
    source: "nginx 1.23.4 and 1.27.3, changes: ssl_protocols",
};

const WITH_HTTP2_PARAMETER: NginxVersion = NginxVersion::new(1, 25, 0);
const WITH_HTTP2_LIMITS: NginxVersion = NginxVersion::new(1, 19, 6);
const TLS_1_3_BY_DEFAULT: NginxVersion = NginxVersion::new(1, 23, 4);
const NO_OLD_TLS_BY_DEFAULT: NginxVersion = NginxVersion::new(1, 27, 3);

/// Directives that newer versions do not have, each with its last version and its replacement.
const OBSOLETE: [(&str, NginxVersion, &str); 9] = [
    ("ssl", WITH_HTTP2_PARAMETER, "the parameter ssl of listen"),
    ("http2_push", WITH_HTTP2_PARAMETER, "remove it, or send 103 Early Hints from the application"),
    ("http2_push_preload", WITH_HTTP2_PARAMETER, "remove it, or send 103 Early Hints from the application"),
    ("http2_max_concurrent_pushes", WITH_HTTP2_PARAMETER, "remove it"),
    ("http2_idle_timeout", WITH_HTTP2_LIMITS, "keepalive_timeout"),
    ("http2_recv_timeout", WITH_HTTP2_LIMITS, "client_header_timeout"),
    ("http2_max_requests", WITH_HTTP2_LIMITS, "keepalive_requests"),
    ("http2_max_field_size", WITH_HTTP2_LIMITS, "large_client_header_buffers"),
    ("http2_max_header_size", WITH_HTTP2_LIMITS, "large_client_header_buffers"),
];

pub(super) fn check(block: &Block, findings: &mut Vec<Finding>) {
    for directive in block.directives() {
        if let Some((name, last, replacement)) = OBSOLETE.iter().find(|(name, ..)| directive.name == *name)
            && block.version.is_none_or(|version| version > *last)
        {
            let message = format!("{name} has an effect up to nginx {last} only");
            findings.push(directive_finding(&OBSOLETE_DIRECTIVE, directive, message, *replacement));
        }
    }
    let listens = || block.named("listen");
    let has = |parameter: &str| {
        let parameter = parameter.to_owned();
        listens().find(move |listen| listen.args.iter().skip(1).any(|arg| arg.value == parameter))
    };
    if let Some(listen) = has("http2").filter(|_| block.version.is_none_or(NginxVersion::has_http2_directive)) {
        let fix = "listen without http2, and http2 on; in the server, from nginx 1.25.1 on";
        findings.push(directive_finding(&LISTEN_HTTP2, listen, "HTTP/2 is enabled by a parameter of listen", fix));
    }
    if let Some(listen) = has("ssl")
        && block.effective("ssl_protocols").is_empty()
        && block.effective_value("ssl_reject_handshake") != Some("on")
        && let Some(message) = default_tls_versions(block.version)
    {
        let fix = "ssl_protocols TLSv1.2 TLSv1.3;";
        findings.push(directive_finding(&TLS_VERSIONS_BY_DEFAULT, listen, message, fix));
    }
}

/// What is wrong with the default of `ssl_protocols`; none if it is right.
fn default_tls_versions(version: Option<NginxVersion>) -> Option<String> {
    match version {
        None => Some("nginx's version decides which versions of TLS this server speaks".to_owned()),
        Some(version) if version >= NO_OLD_TLS_BY_DEFAULT => None,
        Some(version) if version >= TLS_1_3_BY_DEFAULT => {
            Some(format!("nginx {version} speaks TLS 1.0 to 1.3 by default"))
        }
        Some(version) => Some(format!("nginx {version} speaks TLS 1.0 to 1.2 by default")),
    }
}
