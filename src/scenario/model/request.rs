//! The request of a check.

use std::num::NonZeroU16;
use std::time::Duration;

use super::TextTemplate;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CheckRequest {
    /// Composed from its parts. Unless given, `Host` is added, `Content-Length` if there is a body without a framing field,
    /// and `Connection: close` if it is sent only once.
    Composed {
        method: String,
        /// As sent, percent-encoded.
        target: String,
        /// In order, with duplicates.
        headers: Vec<(String, TextTemplate)>,
        body: Vec<u8>,
        /// How often to send it on one connection.
        times: NonZeroU16,
        /// The deadline of the whole exchange.
        within: Duration,
        /// Whether it is sent over TLS.
        tls: bool,
        /// Clients that occupy the stack meanwhile.
        slow: Option<SlowClients>,
    },
    /// Sent byte for byte, with the placeholders replaced.
    Raw(TextTemplate),
}

impl CheckRequest {
    /// Whether it is sent over TLS.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        matches!(self, CheckRequest::Composed { tls: true, .. })
    }

    /// The default deadline of an exchange.
    pub const WITHIN: Duration = Duration::from_secs(10);
}

/// Clients that do not finish their requests, or reading the responses, during a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlowClients {
    /// The number of clients, each on its own connection.
    pub clients: NonZeroU16,
    pub part: SlowPart,
    /// The request target; `None` is the check's own.
    pub target: Option<String>,
}

/// The part of an exchange that a slow client transfers one byte at a time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SlowPart {
    /// The request's head: a header line that does not end.
    #[default]
    Head,
    /// The request's body, after a head with its length.
    Body,
    /// The response, with the client's smallest receive buffer.
    Answer,
}

impl SlowPart {
    pub const ALL: [SlowPart; 3] = [SlowPart::Head, SlowPart::Body, SlowPart::Answer];

    /// The name in scenario files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            SlowPart::Head => "head",
            SlowPart::Body => "body",
            SlowPart::Answer => "answer",
        }
    }

    /// The part with its article.
    #[must_use]
    pub fn with_article(self) -> &'static str {
        match self {
            SlowPart::Head => "a head",
            SlowPart::Body => "a body",
            SlowPart::Answer => "an answer",
        }
    }

    /// The verb for what slow clients do with the part.
    #[must_use]
    pub fn verb(self) -> &'static str {
        match self {
            SlowPart::Head | SlowPart::Body => "send",
            SlowPart::Answer => "read",
        }
    }
}
