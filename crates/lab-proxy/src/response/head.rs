//! The head of a response while the proxy edits it.

use lab_http::{Headers, ResponseHead, Version};

/// A status and field lines, without what only the connection to the client decides: framing and persistence.
///
/// The lines of an upstream's response stay in the buffer that its head was received in; an edit moves spans of it.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) status: u16,
    /// The reason phrase, in place of the received one.
    pub(crate) reason: Option<&'static str>,
    /// The proxy's own `Server` field, which comes first.
    pub(crate) server: Option<&'static str>,
    /// Whether the proxy's own `Date` field follows.
    pub(crate) has_own_date: bool,
    /// The number of field lines in front of those that concern the connection; nginx's position for them depends on
    /// the kind of response.
    pub(crate) fields_before_connection: usize,
    received: ResponseHead,
}

/// How many lines and bytes the head of a file has room for; others grow.
const FIELDS: usize = 8;
const BYTES: usize = 256;

impl Head {
    /// The head of an upstream's response, unchanged.
    pub(crate) fn received(received: ResponseHead) -> Head {
        Head {
            status: received.status,
            reason: None,
            server: None,
            has_own_date: false,
            fields_before_connection: received.headers.len(),
            received,
        }
    }

    /// An empty head of the proxy's own.
    pub(crate) fn local(status: u16, server_tokens: bool) -> Head {
        let mut head = ResponseHead::new(Version::Http11, status, "");
        head.headers.reserve(FIELDS, BYTES);
        Head {
            reason: Some(reason(status)),
            server: Some(product(server_tokens)),
            has_own_date: true,
            ..Head::received(head)
        }
    }

    /// A copy of the received head, without the fields that `is_left_out` names.
    pub(crate) fn to_received(&self, is_left_out: impl Fn(&[u8]) -> bool) -> ResponseHead {
        let mut copy = ResponseHead::new(Version::Http11, self.received.status, self.received.reason());
        for (name, value) in self.fields().iter().filter(|(name, _)| !is_left_out(name)) {
            copy.headers.push(name, value);
        }
        copy
    }

    pub(crate) fn reason(&self) -> &[u8] {
        self.reason.map_or_else(|| self.received.reason(), str::as_bytes)
    }

    pub(crate) fn fields(&self) -> &Headers {
        &self.received.headers
    }

    pub(crate) fn fields_mut(&mut self) -> &mut Headers {
        &mut self.received.headers
    }

    /// The status that the upstream sent.
    pub(crate) fn received_status(&self) -> u16 {
        self.received.status
    }

    /// Puts the fields of the connection behind all lines that the head has now.
    pub(crate) fn connection_fields_here(&mut self) {
        self.fields_before_connection = self.received.headers.len();
    }
}

/// The product name in `Server` and in error pages.
pub(crate) fn product(tokens: bool) -> &'static str {
    if tokens { concat!("lab/", env!("CARGO_PKG_VERSION")) } else { "lab" }
}

/// The reason phrase of a status that the proxy sets itself, in nginx's wording.
pub(crate) fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        206 => "Partial Content",
        301 => "Moved Permanently",
        302 => "Moved Temporarily",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Not Allowed",
        406 => "Not Acceptable",
        408 => "Request Time-out",
        409 => "Conflict",
        410 => "Gone",
        411 => "Length Required",
        412 => "Precondition Failed",
        413 => "Request Entity Too Large",
        414 => "Request-URI Too Large",
        415 => "Unsupported Media Type",
        416 => "Requested Range Not Satisfiable",
        421 => "Misdirected Request",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Temporarily Unavailable",
        504 => "Gateway Time-out",
        505 => "HTTP Version Not Supported",
        507 => "Insufficient Storage",
        _ => "",
    }
}
