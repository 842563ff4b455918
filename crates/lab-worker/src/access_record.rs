//! One completed request, as a worker reports it to the arbiter for the access log and for statsd.
//!
//! The arbiter does the formatting (gunicorn's `access_log_format`). Bytes of the protocol are read as Latin-1, one
//! character for each.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};

/// One completed request; gunicorn's atoms are in brackets. On the pipe each is one line of JSON.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct AccessRecord {
    /// REMOTE_ADDR (`h`); empty for a unix socket.
    pub remote_addr: String,
    /// The user of a Basic Authorization field (`u`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// When the application was called, in microseconds since 1970 (`t`).
    pub time_us: u64,
    /// REQUEST_METHOD (`m`).
    pub method: String,
    /// The request target as received (RAW_URI; `r` is `method target protocol`).
    pub target: String,
    /// PATH_INFO (`U`).
    pub path: String,
    /// QUERY_STRING (`q`).
    pub query: String,
    /// SERVER_PROTOCOL (`H`).
    pub protocol: String,
    /// The status of the response (`s`).
    pub status: u16,
    /// Bytes of content that were sent (`B`, `b`).
    pub sent_bytes: u64,
    /// From the call of the application to the end of its response, in microseconds (`T`, `M`, `D`, `L`).
    pub duration_us: u64,
    /// The Referer field (`f`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub referer: Option<String>,
    /// The User-Agent field (`a`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
    /// The request fields that the log format names, by those names; absent fields are left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub request_headers: Vec<(String, String)>,
    /// The response fields that the log format names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub response_headers: Vec<(String, String)>,
    /// The environ variables that the log format names, as text.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub environ: Vec<(String, String)>,
    /// Whether the worker has written the line itself. The record is then for statsd only.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_logged: bool,
}

/// The user in the value of an Authorization field of the Basic scheme (RFC 7617).
#[must_use]
pub fn basic_auth_user(authorization: &[u8]) -> Option<String> {
    let (scheme, credentials) = authorization.split_at_checked(6)?;
    if !scheme.eq_ignore_ascii_case(b"basic ") {
        return None;
    }
    let credentials = BASE64.decode(credentials.trim_ascii()).ok()?;
    let user = credentials.split(|&byte| byte == b':').next()?;
    Some(String::from_utf8_lossy(user).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_of_a_basic_authorization() {
        let cases = [
            ("Basic dXNlcjpwYXNz", Some("user")),
            ("basic  dXNlcjpwYTpzcw== ", Some("user")),
            ("Basic Og==", Some("")),
            ("Basic dXNl!", None),
            ("Bearer dXNlcjpwYXNz", None),
            ("Basic", None),
        ];
        for (value, expected) in cases {
            assert_eq!(basic_auth_user(value.as_bytes()).as_deref(), expected, "{value}");
        }
    }
}
