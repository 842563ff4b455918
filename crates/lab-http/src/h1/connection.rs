//! Fields about the connection: persistence, `100 Continue`, hop-by-hop fields.

use crate::message::head::{RequestHead, Version};
use crate::message::headers::Headers;
use crate::message::syntax::trim;

/// Whether the connection stays open after this message (RFC 9112 §9.3): in HTTP/1.1 without `close`, in HTTP/1.0 only
/// with `keep-alive`.
#[must_use]
pub fn is_persistent(version: Version, headers: &Headers) -> bool {
    let mut keep_alive = version != Version::Http10;
    for value in headers.get_all("connection") {
        // Nearly every value is one of these two, and is not worth splitting.
        if value.eq_ignore_ascii_case(b"keep-alive") {
            keep_alive = true;
        } else if value.eq_ignore_ascii_case(b"close") {
            return false;
        } else {
            for option in value.split(|&byte| byte == b',').map(trim) {
                if option.eq_ignore_ascii_case(b"close") {
                    return false;
                }
                keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
            }
        }
    }
    keep_alive
}

/// Whether the client waits for `100 Continue`. An HTTP/1.0 client never does (RFC 9110 §10.1.1).
#[must_use]
pub fn expects_continue(head: &RequestHead) -> bool {
    head.version == Version::Http11 && head.headers.list_contains("expect", "100-continue")
}

/// Whether a field named `name` belongs to one connection and is never forwarded (RFC 9110 §7.6.1). So are the fields
/// that Connection names: see [`is_nominated`].
#[must_use]
pub fn is_hop_by_hop(name: &[u8]) -> bool {
    const NAMES: [&[u8]; 7] =
        [b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade"];
    NAMES.iter().any(|own| name.eq_ignore_ascii_case(own))
}

/// Whether a Connection field names `name`, which makes that field hop-by-hop in this message.
#[must_use]
pub fn is_nominated(headers: &Headers, name: &[u8]) -> bool {
    headers.list("connection").any(|option| option.eq_ignore_ascii_case(name))
}
