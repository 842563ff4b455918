//! Evaluates a `proxy_pass` with variables.

use std::net::SocketAddr;

use super::Phases;
use crate::config::proxy::pass::{Destination, ProxyPass};
use crate::config::proxy::pass_url::{self, PassUrl, PassUrlError};
use crate::routing::route::{PassTarget, ResolvedPass, Route};

/// Evaluates the URL of `proxy_pass`, if it has variables.
///
/// # Errors
/// The status of the response, and a line for the error log.
pub(super) fn resolve<'a>(
    phases: &Phases<'a, '_>,
    route: &mut Route<'a>,
    pass: &ProxyPass,
) -> Result<(), (u16, String)> {
    let Destination::Url(template) = &pass.destination else { return Ok(()) };
    let url = template.value(&phases.scope(route));
    let Ok(url) = String::from_utf8(url) else {
        return Err((500, "invalid URL prefix in a proxy_pass that is not text".to_owned()));
    };
    let parts = if pass.is_uwsgi() { pass_url::parse_uwsgi(&url) } else { pass_url::parse(&url) };
    let parts = parts.map_err(|problem| match problem {
        PassUrlError::SecureUwsgi => (502, format!("uwsgi over TLS is not supported, in \"{url}\"")),
        PassUrlError::Malformed => (500, format!("invalid URL prefix in \"{url}\"")),
    })?;
    let target = target(phases, route, &parts)?;
    let uri = parts.uri.map(|uri| if uri.starts_with('?') { format!("/{uri}") } else { uri.to_owned() });
    route.resolved_pass = Some(Box::new(ResolvedPass {
        target,
        host: parts.host().as_bytes().to_vec(),
        port: parts.port(),
        is_tls: parts.is_tls,
        uri: uri.map(String::into_bytes),
    }));
    Ok(())
}

fn target(phases: &Phases<'_, '_>, route: &Route<'_>, parts: &PassUrl<'_>) -> Result<PassTarget, (u16, String)> {
    let authority = parts.authority;
    let upstreams = &phases.config.upstreams;
    if let Some(index) = upstreams.iter().position(|upstream| upstream.is_named(authority, parts.default_port())) {
        return Ok(PassTarget::Upstream(index));
    }
    if let Some(address) = address(authority, parts.default_port()) {
        return Ok(PassTarget::Address(address));
    }
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
    match route.location.config.resolver {
        Some(_) if parts.port() > 0 => Ok(PassTarget::Name(host.to_owned(), parts.port())),
        _ => Err((502, format!("no resolver defined to resolve {host}"))),
    }
}

/// Parses an address with or without a port.
fn address(text: &str, default_port: u16) -> Option<SocketAddr> {
    let ip = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let with_port = text.parse().ok().filter(|address: &SocketAddr| address.port() > 0);
    with_port.or_else(|| ip.parse().ok().map(|ip| SocketAddr::new(ip, default_port)))
}
