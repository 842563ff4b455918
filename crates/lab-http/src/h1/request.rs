//! Validation of a request head before anything acts on it.

use super::connection::{expects_continue, is_persistent};
use super::framing::{self, BodyLength};
use crate::message::head::RequestHead;
use crate::message::refusal::Refusal;
use crate::message::target::Target;

/// A valid request head, interpreted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValidRequest<'h> {
    pub target: Target<'h>,
    pub body: BodyLength,
    /// Whether the client wants to keep the connection open.
    pub persistent: bool,
    /// Whether the client waits for `100 Continue` before it sends the body.
    pub expects_continue: bool,
}

/// Validates a request head: its target, its host and its framing. After a refusal, respond with
/// [`Refusal::status`] and close the connection.
pub fn validate_request(head: &RequestHead) -> Result<ValidRequest<'_>, Refusal> {
    let body = framing::request_body(head)?;
    Ok(ValidRequest {
        target: Target::parse(head)?,
        body,
        persistent: is_persistent(head.version, &head.headers),
        expects_continue: expects_continue(head) && !body.is_empty(),
    })
}
