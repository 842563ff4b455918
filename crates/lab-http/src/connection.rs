//! What a head says about the connection it came on.

use crate::framing::{self, BodyLength};
use crate::head::{RequestHead, Version};
use crate::headers::Headers;
use crate::refusal::Refusal;
use crate::target::{self, Target};

/// A request head that was judged and found sound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged<'h> {
    /// What it is addressed to.
    pub target: Target<'h>,
    /// How its body is delimited.
    pub body: BodyLength,
    /// Whether the client wants the connection kept open.
    pub persistent: bool,
    /// Whether the client waits for `100 Continue` before it sends the body.
    pub expects_continue: bool,
}

/// Judges all of a request head: its target, its host and its framing. What is refused is answered with
/// [`Refusal::status`] and the connection is closed.
pub fn judge_request(head: &RequestHead) -> Result<Judged<'_>, Refusal> {
    let body = framing::request_body(head)?;
    Ok(Judged {
        target: target::judge(head)?,
        body,
        persistent: is_persistent(head.version, &head.headers),
        expects_continue: expects_continue(head) && !body.is_empty(),
    })
}

/// Whether the connection stays open after this message (RFC 9112 §9.3): in HTTP/1.1 unless it says `close`, in
/// HTTP/1.0 only if it says `keep-alive`.
#[must_use]
pub fn is_persistent(version: Version, headers: &Headers) -> bool {
    let mut keep_alive = version == Version::Http11;
    for option in headers.list("connection") {
        if option.eq_ignore_ascii_case(b"close") {
            return false;
        }
        keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
    }
    keep_alive
}

/// Whether the client waits for `100 Continue`. An HTTP/1.0 client never does (RFC 9110 §10.1.1).
#[must_use]
pub fn expects_continue(head: &RequestHead) -> bool {
    head.version == Version::Http11 && head.headers.list_contains("expect", "100-continue")
}

/// Whether a field called `name` belongs to one connection and is never forwarded (RFC 9110 §7.6.1). The fields that
/// Connection names belong to it as well: see [`is_nominated`].
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
