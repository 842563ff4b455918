//! How the exchange with an upstream fails.

use lab_http::Refusal;

use crate::context::RequestBodyError;

/// Why there is no response.
#[derive(Debug, Clone, Copy)]
pub(crate) enum ForwardError {
    /// The upstream failed; the client gets the page of this status.
    Status(u16),
    /// The request's body was not accepted, and more of it may arrive. The client gets the page of this status.
    RequestBody(u16),
    /// The client is gone.
    ClientGone,
    /// The client failed after it had got an interim response.
    Aborted,
}

impl ForwardError {
    pub(crate) fn request_body(error: &RequestBodyError) -> ForwardError {
        error.status().map_or(ForwardError::ClientGone, ForwardError::RequestBody)
    }
}

/// Why an exchange failed before there was a response.
#[derive(Debug)]
pub(crate) enum ExchangeError {
    Upstream { kind: UpstreamErrorKind, message: String },
    RequestBody(RequestBodyError),
}

/// The ways in which a peer fails, as `proxy_next_upstream` tells them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UpstreamErrorKind {
    /// The peer cannot be reached, or closed the connection before its head was complete.
    Error {
        /// Whether no byte of a response arrived: the peer may not even have seen the request.
        is_silent: bool,
    },
    Timeout,
    /// The head is not acceptable.
    InvalidHead,
    /// The status is one that another peer may do better than.
    Status(u16),
    /// A failure that no other peer can make good.
    Final,
}

impl UpstreamErrorKind {
    /// The status that the client gets if no other peer is tried.
    pub(crate) fn status(self) -> u16 {
        match self {
            UpstreamErrorKind::Error { .. } | UpstreamErrorKind::InvalidHead | UpstreamErrorKind::Final => 502,
            UpstreamErrorKind::Timeout => 504,
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
        let message = format!("upstream sent an invalid response: {refusal}");
        ExchangeError::upstream(UpstreamErrorKind::InvalidHead, message)
    }
}
