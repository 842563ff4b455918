//! Targets of redirects: the safe form for a `Location` field, and the origin that makes a path absolute.

use lab_http::h1::write::decimal;

use crate::eval::Scope;
use crate::routing::uri;

/// Appends a redirect's target with control characters escaped: a variable may hold any byte that a client escaped.
pub(crate) fn write_target(target: &[u8], out: &mut Vec<u8>) {
    for &byte in target {
        if byte < 0x20 || byte == 0x7f {
            out.extend_from_slice(&[b'%', uri::hex_digit(byte >> 4), uri::hex_digit(byte)]);
        } else {
            out.push(byte);
        }
    }
}

/// Appends `scheme://host[:port]` as nginx makes redirects absolute. The host is `$host`, or the server's name with
/// `server_name_in_redirect`, or the local address if the client named no host. The port is the one that the client
/// connected to, unless it is the default port of the scheme or `port_in_redirect` is off.
pub(crate) fn write_origin(scope: &Scope<'_>, out: &mut Vec<u8>) {
    let rules = &scope.route.location.config;
    out.extend_from_slice(scope.connection.scheme().as_bytes());
    out.extend_from_slice(b"://");
    let local = scope.connection.local.internet();
    match scope.request.and_then(|request| request.host.as_deref()) {
        _ if rules.server_name_in_redirect => out.extend_from_slice(scope.server.first_name.as_bytes()),
        Some(host) => out.extend_from_slice(host),
        None => match local {
            Some(local) if local.is_ipv6() => out.extend_from_slice(format!("[{}]", local.ip()).as_bytes()),
            Some(local) => out.extend_from_slice(local.ip().to_string().as_bytes()),
            None => out.extend_from_slice(scope.connection.local.to_string().as_bytes()),
        },
    }
    let default_port = if scope.connection.tls.is_some() { 443 } else { 80 };
    let port = local.map_or(default_port, |local| local.port());
    if rules.port_in_redirect && port != default_port {
        out.push(b':');
        decimal(out, u64::from(port));
    }
}
