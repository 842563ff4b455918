//! `Cache-Status` (RFC 9211): what a cache says of its part in a response.

use std::fmt::Write as _;

/// Why a request went to the upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForwardReason {
    /// The configuration said so.
    Bypass,
    /// Responses to its method are not stored.
    Method,
    /// Nothing was stored for it.
    Miss,
    /// The client demanded it.
    Request,
    /// What was stored had to be validated.
    Stale,
}

/// The part of a cache in one response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StatusReport {
    /// None if the response was stored, and used without a request to the upstream.
    pub forwarded: Option<ForwardReason>,
    /// The status of the upstream's response; none without one.
    pub upstream_status: Option<u16>,
    /// For how many seconds the response is fresh; negative if it is stale.
    pub fresh_for: Option<i64>,
    /// Whether the upstream's response is stored.
    pub is_stored: bool,
}

/// The value of the field. `name` is that of the cache, a token.
#[must_use]
pub fn value(name: &str, report: &StatusReport) -> String {
    let mut text = name.to_owned();
    match report.forwarded {
        None => text.push_str("; hit"),
        Some(reason) => {
            let reason = match reason {
                ForwardReason::Bypass => "bypass",
                ForwardReason::Method => "method",
                ForwardReason::Miss => "miss",
                ForwardReason::Request => "request",
                ForwardReason::Stale => "stale",
            };
            text.push_str("; fwd=");
            text.push_str(reason);
        }
    }
    // writing to a string cannot fail
    if let Some(status) = report.upstream_status {
        _ = write!(text, "; fwd-status={status}");
    }
    if let Some(seconds) = report.fresh_for {
        _ = write!(text, "; ttl={seconds}");
    }
    if report.is_stored {
        text.push_str("; stored");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_have_their_parameters() {
        for (report, expected) in [
            (StatusReport { fresh_for: Some(30), ..StatusReport::default() }, "lab; hit; ttl=30"),
            (StatusReport { fresh_for: Some(-5), ..StatusReport::default() }, "lab; hit; ttl=-5"),
            (
                StatusReport {
                    forwarded: Some(ForwardReason::Miss),
                    upstream_status: Some(200),
                    fresh_for: Some(60),
                    is_stored: true,
                },
                "lab; fwd=miss; fwd-status=200; ttl=60; stored",
            ),
            (
                StatusReport {
                    forwarded: Some(ForwardReason::Stale),
                    upstream_status: Some(304),
                    ..StatusReport::default()
                },
                "lab; fwd=stale; fwd-status=304",
            ),
            (StatusReport { forwarded: Some(ForwardReason::Method), ..StatusReport::default() }, "lab; fwd=method"),
        ] {
            assert_eq!(value("lab", &report), expected);
        }
    }
}
