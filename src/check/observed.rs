//! The observation of a check: the response at the client, and the app's view of the request.

use std::borrow::Cow;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use sha2::{Digest as _, Sha256};

use super::peer_certificate::PeerCertificate;
use crate::scenario::model::CacheStatus;
use lab_app::headers_report::{HeadersReport, ReceivedRequest, RequestView};

/// A response as it arrived at the client. Text that is not UTF-8 is read as Latin-1, so that no byte is lost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observed {
    pub status: u16,
    /// The reason phrase, possibly empty.
    pub reason: String,
    /// Header lines in order, duplicates and the case of names kept.
    pub headers: Vec<(String, String)>,
    /// The body without its transfer coding. If the response must not have one: any bytes after the head.
    pub body: String,
    /// Whether the body is not UTF-8, so that each character of `body` stands for a byte.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_binary: bool,
    /// The response's framing error, such as a truncated body or a malformed chunk.
    pub framing_error: Option<String>,
    /// The fields of conditional requests for the same target, each with the status of the response: whether the validators
    /// of this response hold (RFC 9110, section 13).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditional: Vec<(String, String)>,
}

/// A request behind the proxy, as lab recorded it for a check. `None` where lab records nothing.
#[derive(Debug, Clone, Default)]
pub struct UpstreamObservation {
    /// The request at the server, or why there is none.
    pub received: Option<Result<ReceivedRequest, String>>,
    /// The request as the application saw it, or why that is unknown.
    pub app: Option<Result<RequestView, String>>,
    /// The cache status of each response at the client.
    pub cache: Option<Vec<CacheStatus>>,
}

impl UpstreamObservation {
    /// The request at the server. Without a recording, it is what the sample application's `/headers` says.
    ///
    /// # Errors
    /// Why it is unknown, as a message.
    pub fn received(&self, observed: &Observed) -> Result<ReceivedRequest, String> {
        self.received.clone().unwrap_or_else(|| observed.headers_report().map(|report| report.upstream))
    }

    /// The request as the application saw it, found in the same way.
    ///
    /// # Errors
    /// Why it is unknown, as a message.
    pub fn app(&self, observed: &Observed) -> Result<RequestView, String> {
        self.app.clone().unwrap_or_else(|| observed.headers_report().map(|report| report.app))
    }
}

/// How a response was obtained. It varies, so it is no fact.
#[derive(Debug, Clone, Default)]
pub struct Transfer {
    /// From the connection to the end of the response; with redirects, of all requests together.
    pub duration: Duration,
    /// The number of redirects followed.
    pub redirects: u16,
    /// The certificate of the last server, over TLS.
    pub certificate: Option<PeerCertificate>,
}

impl Observed {
    /// The values of every line named `name`, in order; names are compared without case (RFC 9110 §5.1).
    pub fn lines<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        lines(&self.headers, name)
    }

    /// The body as it was sent.
    #[must_use]
    pub fn body_bytes(&self) -> Cow<'_, [u8]> {
        match self.is_binary {
            false => Cow::Borrowed(self.body.as_bytes()),
            // Read as Latin-1, whose code points are the bytes; placeholders are ASCII.
            true => Cow::Owned(self.body.chars().map(|byte| u8::try_from(byte).unwrap_or(b'?')).collect()),
        }
    }

    /// The body's length and digest.
    #[must_use]
    pub fn body_summary(&self) -> String {
        let bytes = self.body_bytes();
        format!("{} bytes, SHA-256 {:x}", bytes.len(), Sha256::digest(&bytes))
    }

    /// The body as differences show it: text, or the length and digest of a binary one.
    #[must_use]
    pub fn shown_body(&self) -> Cow<'_, str> {
        if self.is_binary { Cow::Owned(self.body_summary()) } else { Cow::Borrowed(&self.body) }
    }

    /// The app's view of the request, if the body is one.
    ///
    /// # Errors
    /// Why the body is not a view, as a message.
    pub fn headers_report(&self) -> Result<HeadersReport, String> {
        serde_json::from_str(&self.body).map_err(|error| format!("the response holds no view of the request: {error}"))
    }
}

/// The values of every line of `headers` named `name`, in order.
pub fn lines<'a>(headers: &'a [(String, String)], name: &'a str) -> impl Iterator<Item = &'a str> {
    headers.iter().filter(move |(line, _)| line.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binary_body_has_its_own_length_and_digest() {
        let bytes: Vec<u8> = (0..=255).collect();
        let body = bytes.iter().map(|&byte| char::from(byte)).collect();
        let (reason, headers) = (String::new(), Vec::new());
        let observed = Observed {
            status: 200,
            reason,
            headers,
            body,
            is_binary: true,
            framing_error: None,
            conditional: Vec::new(),
        };
        assert_eq!(observed.body_bytes(), bytes);
        let digest = "40aff2e9d2d8922e47afd4648e6967497158785fbd1da870e7110266bf944880";
        assert_eq!(observed.shown_body(), format!("256 bytes, SHA-256 {digest}"));
    }
}
