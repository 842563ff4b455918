//! The reasons to refuse a message.

/// The reason why a message is refused. Afterwards nothing more is read from the connection (RFC 9112 §6.3).
///
/// A server responds with [`status`](Refusal::status). For a response from an upstream, every refusal means 502.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Refusal {
    /// A line ends with a lone LF. RFC 9112 §2.2 permits it, but accepting it has led to request smuggling.
    #[error("a line ends with LF instead of CRLF")]
    BareLf,
    /// A CR that is not part of a line end (RFC 9112 §2.2).
    #[error("a CR stands outside a line end")]
    BareCr,
    /// The request line is not `method SP target SP version` (RFC 9112 §3).
    #[error("the request line is not `METHOD TARGET HTTP/1.1`")]
    RequestLine,
    /// The method is not a token, or has lower-case letters, which neither nginx nor gunicorn accepts.
    #[error("the method is not an upper-case token")]
    Method,
    /// The target has none of the forms in RFC 9112 §3.2, or not the form its method requires.
    #[error("the request target is malformed")]
    Target,
    /// CONNECT, since neither server opens tunnels (RFC 9110 §9.3.6). nginx responds with 405 as well.
    #[error("CONNECT is not supported")]
    Connect,
    /// A version that is not HTTP/1.x (RFC 9110 §15.6.6).
    #[error("the version is not HTTP/1.0 or HTTP/1.1")]
    Version,
    /// The status line is not `version SP 3DIGIT SP reason` (RFC 9112 §4).
    #[error("the status line is not `HTTP/1.1 STATUS REASON`")]
    StatusLine,
    /// White space between the start line and the first field (RFC 9112 §2.2).
    #[error("white space precedes the first field")]
    SpaceBeforeFirstField,
    /// A field continued on the next line (RFC 9112 §5.2).
    #[error("a field is folded over several lines")]
    Folded,
    /// White space between a field's name and its colon (RFC 9112 §5.1).
    #[error("white space stands between a field name and its colon")]
    SpaceBeforeColon,
    /// A field line without a colon, or whose name is not a token (RFC 9112 §5).
    #[error("a field name is malformed")]
    FieldName,
    /// A control character in a field value (RFC 9110 §5.5).
    #[error("a field value has a control character")]
    FieldValue,
    /// The request line is longer than [`Limits::start_line`](crate::Limits::start_line).
    #[error("the start line is too long")]
    StartLineTooLong,
    /// A field line is longer than [`Limits::field`](crate::Limits::field).
    #[error("a field line is too long")]
    FieldTooLong,
    /// More field lines than [`Limits::fields`](crate::Limits::fields).
    #[error("there are too many field lines")]
    TooManyFields,
    /// The head is longer than [`Limits::head`](crate::Limits::head).
    #[error("the head is too long")]
    HeadTooLong,
    /// HTTP/1.1 without Host (RFC 9112 §3.2).
    #[error("the Host field is missing")]
    HostMissing,
    /// More than one Host line, even if equal (RFC 9112 §3.2).
    #[error("there is more than one Host field")]
    HostRepeated,
    /// Host, or the authority of an absolute target, is not `host[:port]` (RFC 9110 §7.2).
    #[error("the host is malformed")]
    Host,
    /// Content-Length is not a decimal number of at most 64 bits (RFC 9110 §8.6).
    #[error("Content-Length is not a number")]
    ContentLength,
    /// More than one Content-Length line, even if equal (RFC 9112 §6.3).
    #[error("there is more than one Content-Length field")]
    ContentLengthRepeated,
    /// Content-Length beside Transfer-Encoding (RFC 9112 §6.1).
    #[error("both Content-Length and Transfer-Encoding are given")]
    ContentLengthAndTransferEncoding,
    /// Transfer-Encoding in an HTTP/1.0 message (RFC 9112 §6.1).
    #[error("Transfer-Encoding is given in HTTP/1.0")]
    TransferEncodingInHttp10,
    /// Transfer-Encoding repeats chunked, or does not end with it (RFC 9112 §6.3).
    #[error("Transfer-Encoding is malformed")]
    TransferEncoding,
    /// A transfer coding other than chunked (RFC 9112 §6.1).
    #[error("the transfer coding is not chunked")]
    TransferCodingUnknown,
    /// Transfer-Encoding has known codings only, and chunked is not among them (RFC 9112 §6.3). nginx responds with 501.
    #[error("Transfer-Encoding does not end with chunked")]
    ChunkedMissing,
    /// A chunk size is not a hexadecimal number of at most 64 bits (RFC 9112 §7.1).
    #[error("a chunk size is malformed")]
    ChunkSize,
    /// A chunk extension that is not `;name[=value]` (RFC 9112 §7.1.1).
    #[error("a chunk extension is malformed")]
    ChunkExtension,
    /// A chunk's extensions exceed [`Limits::chunk_extension`](crate::Limits::chunk_extension), or those of the whole
    /// body exceed [`Limits::chunk_extensions`](crate::Limits::chunk_extensions).
    #[error("the chunk extensions are too long")]
    ChunkExtensionTooLong,
    /// No CRLF follows the chunk data (RFC 9112 §7.1).
    #[error("chunk data is not followed by CRLF")]
    ChunkEnd,
    /// The trailer section is longer than [`Limits::trailers`](crate::Limits::trailers).
    #[error("the trailer section is too long")]
    TrailersTooLong,
    /// A trailer field that concerns framing, routing or authentication (RFC 9110 §6.5.1).
    #[error("a trailer field is forbidden")]
    TrailerForbidden,
    /// An expectation other than `100-continue` (RFC 9110 §10.1.1).
    #[error("the expectation is not 100-continue")]
    ExpectationUnknown,
    /// A field that is not a list has more than one line (RFC 9110 §5.3).
    #[error("a field that must stand alone is repeated")]
    FieldRepeated,
    /// A field name with an underscore, which a WSGI environ confuses with a hyphen (gunicorn's `header_map`).
    #[error("a field name has an underscore")]
    FieldNameAmbiguous,
    /// Several fields set different schemes (gunicorn's `secure_scheme_headers`).
    #[error("the fields that say the scheme disagree")]
    SchemeAmbiguous,
    /// The body exceeds the server's limit (RFC 9110 §15.5.14; nginx's `client_max_body_size`).
    #[error("the body is too large")]
    BodyTooLarge,
    /// There is no space for the body: the disk is full, or bodies have used their share (RFC 4918 §11.5).
    #[error("there is no space for the body")]
    StorageFull,
    /// The message did not arrive in time (RFC 9110 §15.5.9).
    #[error("the message did not arrive in time")]
    Timeout,
    /// The connection ended within a head or a body (RFC 9112 §8).
    #[error("the connection ended within a message")]
    Truncated,
}

impl Refusal {
    /// The status of the response to the refused request.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Refusal::Connect => 405,
            Refusal::Timeout => 408,
            Refusal::BodyTooLarge => 413,
            Refusal::StartLineTooLong => 414,
            Refusal::ExpectationUnknown => 417,
            Refusal::FieldTooLong | Refusal::TooManyFields | Refusal::HeadTooLong | Refusal::TrailersTooLong => 431,
            Refusal::TransferCodingUnknown => 501,
            Refusal::Version => 505,
            Refusal::StorageFull => 507,
            _ => 400,
        }
    }
}
