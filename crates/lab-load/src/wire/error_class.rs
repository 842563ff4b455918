//! How a request failed.

use serde::{Deserialize, Serialize};

/// How a request failed. The names are those of records and reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorClass {
    ConnectRefused,
    ResetConnecting,
    /// The server failed the TLS handshake, or does not speak the requested version of HTTP (ALPN).
    TlsHandshake,
    /// The server's certificate is not trusted, for another name, expired, or not valid yet.
    TlsCertificate,
    /// Reset after the request was sent, before the first byte of the response.
    ResetBeforeFirstByte,
    ResetMidBody,
    /// No connection within the timeout.
    TimeoutConnect,
    /// No first byte within the timeout.
    TimeoutFirstByte,
    /// No end of the body within the timeout.
    TimeoutBody,
    /// The connection was closed before the response was complete.
    PrematureEof,
    /// The response was not HTTP.
    Protocol,
    /// HTTP/2: the server closes the connection gracefully, or has reached its limit of streams, and has not processed
    /// this one (RFC 9113 section 8.7). A browser would retry; a load does not, because a retry would hide the refusal.
    /// nginx refuses the streams under way when a connection has served its `keepalive_requests`.
    StreamRefused,
    #[serde(rename = "status-4xx")]
    Status4xx,
    #[serde(rename = "status-5xx")]
    Status5xx,
    /// A complete response that violates a rule of the load.
    CheckFailed,
    /// No connection; the external driver does not report why.
    ConnectFailed,
    /// Reset; the external driver does not report when.
    Reset,
    /// Not done within the timeout; the external driver does not report the phase.
    Timeout,
    /// Reset, closed too early, or not HTTP; the external driver does not report which.
    Broken,
    /// A complete response with a 4xx or 5xx status; the external driver does not report which.
    StatusError,
    /// The client's own fault: no file descriptor left. Invalidates the round.
    ClientFdUnavailable,
    /// The client's own fault: no local port left. Invalidates the round.
    ClientNoFreePort,
    /// None of the above; the driver's log has the message. Invalidates the round.
    ClientOther,
}

impl ErrorClass {
    /// In the order of the documentation.
    pub const ALL: [ErrorClass; 23] = [
        ErrorClass::ConnectRefused,
        ErrorClass::ResetConnecting,
        ErrorClass::TlsHandshake,
        ErrorClass::TlsCertificate,
        ErrorClass::ResetBeforeFirstByte,
        ErrorClass::ResetMidBody,
        ErrorClass::TimeoutConnect,
        ErrorClass::TimeoutFirstByte,
        ErrorClass::TimeoutBody,
        ErrorClass::PrematureEof,
        ErrorClass::Protocol,
        ErrorClass::StreamRefused,
        ErrorClass::Status4xx,
        ErrorClass::Status5xx,
        ErrorClass::CheckFailed,
        ErrorClass::ConnectFailed,
        ErrorClass::Reset,
        ErrorClass::Timeout,
        ErrorClass::Broken,
        ErrorClass::StatusError,
        ErrorClass::ClientFdUnavailable,
        ErrorClass::ClientNoFreePort,
        ErrorClass::ClientOther,
    ];

    /// The name in records, reports and snapshots; identical to serde's.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            ErrorClass::ConnectRefused => "connect-refused",
            ErrorClass::ResetConnecting => "reset-connecting",
            ErrorClass::TlsHandshake => "tls-handshake",
            ErrorClass::TlsCertificate => "tls-certificate",
            ErrorClass::ResetBeforeFirstByte => "reset-before-first-byte",
            ErrorClass::ResetMidBody => "reset-mid-body",
            ErrorClass::TimeoutConnect => "timeout-connect",
            ErrorClass::TimeoutFirstByte => "timeout-first-byte",
            ErrorClass::TimeoutBody => "timeout-body",
            ErrorClass::PrematureEof => "premature-eof",
            ErrorClass::Protocol => "protocol",
            ErrorClass::StreamRefused => "stream-refused",
            ErrorClass::Status4xx => "status-4xx",
            ErrorClass::Status5xx => "status-5xx",
            ErrorClass::CheckFailed => "check-failed",
            ErrorClass::ConnectFailed => "connect-failed",
            ErrorClass::Reset => "reset",
            ErrorClass::Timeout => "timeout",
            ErrorClass::Broken => "broken",
            ErrorClass::StatusError => "status-error",
            ErrorClass::ClientFdUnavailable => "client-fd-unavailable",
            ErrorClass::ClientNoFreePort => "client-no-free-port",
            ErrorClass::ClientOther => "client-other",
        }
    }

    /// The class of a complete response with this status; `None` for a good one.
    #[must_use]
    pub fn from_status(status: u16) -> Option<ErrorClass> {
        match status {
            200..=399 => None,
            400..=499 => Some(ErrorClass::Status4xx),
            500..=599 => Some(ErrorClass::Status5xx),
            _ => Some(ErrorClass::Protocol),
        }
    }

    /// Whether the response was complete and only its status makes it a failure.
    #[must_use]
    pub fn is_status(self) -> bool {
        matches!(self, ErrorClass::Status4xx | ErrorClass::Status5xx)
    }

    /// Whether the client itself is at fault, which invalidates the round.
    #[must_use]
    pub fn invalidates_round(self) -> bool {
        matches!(self, ErrorClass::ClientFdUnavailable | ErrorClass::ClientNoFreePort | ErrorClass::ClientOther)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_match_serde() {
        for class in ErrorClass::ALL {
            assert_eq!(serde_json::to_value(class).unwrap(), class.name());
        }
    }
}
