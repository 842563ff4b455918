//! Errors of an exchange with an upstream.

use lab_http::Refusal;

use crate::context::RequestBodyError;

#[derive(Debug, Clone, Copy)]
pub(crate) enum ForwardError {
    /// The upstream failed; the client gets the page of this status.
    Status(u16),
    /// The request's body was not accepted, and the client may still be sending it. The client gets the page of this status.
    RequestBody(u16),
    /// The client is gone.
    ClientGone,
    /// The client failed after it had received an interim response.
    Aborted,
}

impl ForwardError {
    pub(crate) fn request_body(error: &RequestBodyError) -> ForwardError {
        error.status().map_or(ForwardError::ClientGone, ForwardError::RequestBody)
    }
}

/// An exchange failed before the head of its response.
#[derive(Debug)]
pub(crate) enum ExchangeError {
    Upstream { kind: UpstreamErrorKind, message: String },
    RequestBody(RequestBodyError),
}

/// The failures of a peer that `proxy_next_upstream` distinguishes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UpstreamErrorKind {
    /// The peer cannot be reached, or closed the connection before its head was complete.
    Error {
        /// Whether no byte of a response arrived. The peer may not have received the request.
        is_silent: bool,
    },
    Timeout,
    /// The head is not acceptable.
    InvalidHead,
    /// Another peer may respond with a better status.
    Status(u16),
    /// The address of `proxy_bind` cannot be used.
    Unbound,
    /// Another peer must not be tried.
    Final,
}

impl UpstreamErrorKind {
    /// The status that the client gets if no other peer is tried.
    pub(crate) fn status(self) -> u16 {
        match self {
            UpstreamErrorKind::Error { .. } | UpstreamErrorKind::InvalidHead | UpstreamErrorKind::Final => 502,
            UpstreamErrorKind::Timeout => 504,
            UpstreamErrorKind::Unbound => 500,
            UpstreamErrorKind::Status(status) => status,
        }
    }
}

impl ExchangeError {
    pub(crate) fn upstream(kind: UpstreamErrorKind, message: impl Into<String>) -> ExchangeError {
        ExchangeError::Upstream { kind, message: message.into() }
    }

    pub(crate) fn invalid(refusal: Refusal) -> ExchangeError {
        if refusal == Refusal::Truncated {
            let message = "upstream prematurely closed connection while reading response header from upstream";
            return ExchangeError::upstream(UpstreamErrorKind::Error { is_silent: false }, message);
        }
        let message = match refusal {
            Refusal::StartLineTooLong | Refusal::FieldTooLong | Refusal::HeadTooLong => {
                "upstream sent too big header while reading response header from upstream".to_owned()
            }
            _ => format!("upstream sent an invalid response: {refusal}"),
        };
        ExchangeError::upstream(UpstreamErrorKind::InvalidHead, message)
    }
}
