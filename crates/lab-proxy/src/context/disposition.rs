//! The fate of a client's connection after a response.

use std::time::Duration;

/// What happens to the client's connection once a request is finished.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ConnectionDisposition {
    /// The connection waits for the next request.
    KeepAlive,
    /// The connection is closed.
    Close,
    /// The connection is shut down for writing and drained before it is closed. The client may still be sending, and a
    /// close with unread bytes resets the connection, which can destroy the response (RFC 9112 §9.6).
    Linger,
    /// The connection is closed at once: the client is gone, or must notice that its response is truncated.
    Abort,
    /// The connection is reset: a response without a length or chunks looks complete when it is merely closed.
    Reset,
}

/// What the response says about the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Persistence {
    pub(crate) keep_alive: bool,
    /// The value of `Keep-Alive: timeout=`, if the configuration announces it.
    pub(crate) announced: Option<Duration>,
}
