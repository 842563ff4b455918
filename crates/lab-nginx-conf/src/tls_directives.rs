//! The rules of the directives about TLS.

use crate::context::Context;
use crate::directives::{ANY_NUMBER, DirectiveRule, Shape};

const HTTP_SERVER: &[Context] = &[Context::Http, Context::Server];
const REQUEST: &[Context] = &[Context::Http, Context::Server, Context::Location];

const fn once(name: &'static str, args: (usize, usize)) -> DirectiveRule {
    DirectiveRule { name, contexts: HTTP_SERVER, args, shape: Shape::Once }
}

const fn many(name: &'static str, args: (usize, usize)) -> DirectiveRule {
    DirectiveRule { name, contexts: HTTP_SERVER, args, shape: Shape::Many }
}

const fn upstream(rule: DirectiveRule) -> DirectiveRule {
    DirectiveRule { name: rule.name, contexts: REQUEST, args: rule.args, shape: rule.shape }
}

/// First towards clients, then towards upstreams.
pub(crate) const TLS_RULES: &[DirectiveRule] = &[
    once("ssl", (1, 1)),
    many("ssl_certificate", (1, 1)),
    many("ssl_certificate_key", (1, 1)),
    once("ssl_password_file", (1, 1)),
    once("ssl_reject_handshake", (1, 1)),
    once("ssl_protocols", (1, ANY_NUMBER)),
    once("ssl_ciphers", (1, 1)),
    once("ssl_prefer_server_ciphers", (1, 1)),
    once("ssl_ecdh_curve", (1, 1)),
    many("ssl_conf_command", (2, 2)),
    once("ssl_session_cache", (1, 2)),
    once("ssl_session_tickets", (1, 1)),
    many("ssl_session_ticket_key", (1, 1)),
    once("ssl_session_timeout", (1, 1)),
    once("ssl_early_data", (1, 1)),
    once("ssl_stapling", (1, 1)),
    once("ssl_stapling_file", (1, 1)),
    once("ssl_verify_client", (1, 1)),
    once("ssl_verify_depth", (1, 1)),
    once("ssl_client_certificate", (1, 1)),
    once("ssl_trusted_certificate", (1, 1)),
    once("ssl_crl", (1, 1)),
    once("ssl_buffer_size", (1, 1)),
    upstream(once("proxy_ssl_protocols", (1, ANY_NUMBER))),
    upstream(once("proxy_ssl_ciphers", (1, 1))),
    upstream(many("proxy_ssl_conf_command", (2, 2))),
    upstream(once("proxy_ssl_name", (1, 1))),
    upstream(once("proxy_ssl_server_name", (1, 1))),
    upstream(once("proxy_ssl_verify", (1, 1))),
    upstream(once("proxy_ssl_verify_depth", (1, 1))),
    upstream(once("proxy_ssl_trusted_certificate", (1, 1))),
    upstream(once("proxy_ssl_crl", (1, 1))),
    upstream(once("proxy_ssl_certificate", (1, 1))),
    upstream(once("proxy_ssl_certificate_key", (1, 1))),
    upstream(once("proxy_ssl_password_file", (1, 1))),
    upstream(once("proxy_ssl_session_reuse", (1, 1))),
];
