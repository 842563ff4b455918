//! The `proxy_*` and `uwsgi_*` directives: how a location passes requests to an upstream.

pub(crate) mod attribute_match;
pub mod bind;
pub mod buffering;
pub mod cache;
pub mod cache_purge;
pub mod cookie_flags;
pub mod cookies;
pub mod fields;
pub mod pass;
pub mod pass_url;
pub mod redirect;
pub mod request;
pub mod retry;
pub mod store;
pub mod uwsgi;

use lab_nginx_conf::Directive;

/// The name of a directive without that of the gateway: `proxy_buffering` and `uwsgi_buffering` mean the same.
fn setting(directive: &Directive) -> &str {
    let name = directive.name.as_str();
    name.strip_prefix("proxy_").or(name.strip_prefix("uwsgi_")).unwrap_or(name)
}
