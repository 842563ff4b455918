//! The rules of the directives about TLS.

use crate::context::Context;
use crate::directives::{ANY_NUMBER, DirectiveRule, Shape};

const HTTP_SERVER: &[Context] = &[Context::Http, Context::Server];
const REQUEST: &[Context] = &[Context::Http, Context::Server, Context::Location];

const fn client(name: &'static str, args: (usize, usize), shape: Shape) -> DirectiveRule {
    DirectiveRule { name, contexts: HTTP_SERVER, args, shape }
}

const fn upstream(name: &'static str, args: (usize, usize), shape: Shape) -> DirectiveRule {
    DirectiveRule { name, contexts: REQUEST, args, shape }
}

/// First towards clients, then towards upstreams.
pub(crate) const TLS_RULES: &[DirectiveRule] = &[
    client("ssl", (1, 1), Shape::Once),
    client("ssl_certificate", (1, 1), Shape::Many),
    client("ssl_certificate_key", (1, 1), Shape::Many),
    client("ssl_password_file", (1, 1), Shape::Once),
    client("ssl_reject_handshake", (1, 1), Shape::Once),
    client("ssl_protocols", (1, ANY_NUMBER), Shape::Once),
    client("ssl_ciphers", (1, 1), Shape::Once),
    client("ssl_prefer_server_ciphers", (1, 1), Shape::Once),
    client("ssl_ecdh_curve", (1, 1), Shape::Once),
    client("ssl_conf_command", (2, 2), Shape::Many),
    client("ssl_session_cache", (1, 2), Shape::Once),
    client("ssl_session_tickets", (1, 1), Shape::Once),
    client("ssl_session_ticket_key", (1, 1), Shape::Many),
    client("ssl_session_timeout", (1, 1), Shape::Once),
    client("ssl_early_data", (1, 1), Shape::Once),
    client("ssl_stapling", (1, 1), Shape::Once),
    client("ssl_stapling_file", (1, 1), Shape::Once),
    client("ssl_stapling_responder", (1, 1), Shape::Once),
    client("ssl_verify_client", (1, 1), Shape::Once),
    client("ssl_verify_depth", (1, 1), Shape::Once),
    client("ssl_client_certificate", (1, 1), Shape::Once),
    client("ssl_trusted_certificate", (1, 1), Shape::Once),
    client("ssl_crl", (1, 1), Shape::Once),
    client("ssl_buffer_size", (1, 1), Shape::Once),
    upstream("proxy_ssl_protocols", (1, ANY_NUMBER), Shape::Once),
    upstream("proxy_ssl_ciphers", (1, 1), Shape::Once),
    upstream("proxy_ssl_conf_command", (2, 2), Shape::Many),
    upstream("proxy_ssl_name", (1, 1), Shape::Once),
    upstream("proxy_ssl_server_name", (1, 1), Shape::Once),
    upstream("proxy_ssl_verify", (1, 1), Shape::Once),
    upstream("proxy_ssl_verify_depth", (1, 1), Shape::Once),
    upstream("proxy_ssl_trusted_certificate", (1, 1), Shape::Once),
    upstream("proxy_ssl_crl", (1, 1), Shape::Once),
    upstream("proxy_ssl_certificate", (1, 1), Shape::Once),
    upstream("proxy_ssl_certificate_key", (1, 1), Shape::Once),
    upstream("proxy_ssl_password_file", (1, 1), Shape::Once),
    upstream("proxy_ssl_session_reuse", (1, 1), Shape::Once),
];
