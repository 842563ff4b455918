//! Limits on the length of a message that is read before it is refused.

/// Limits of a head, of the framing of a chunked body, and of its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the start line without its line end. Longer ones are refused with 414 (gunicorn's `limit_request_line`,
    /// one of nginx's `large_client_header_buffers`).
    pub start_line: usize,
    /// Bytes of one field line without its line end. Longer ones are refused with 431 (gunicorn's
    /// `limit_request_field_size`, one of nginx's `large_client_header_buffers`).
    pub field: usize,
    /// Number of field lines. More are refused with 431 (gunicorn's `limit_request_fields`).
    pub fields: usize,
    /// Bytes of the whole head with its line ends. Longer ones are refused with 431 (all of nginx's
    /// `large_client_header_buffers`).
    pub head: usize,
    /// Bytes of the extensions of one chunk. RFC 9112 §7.1.1 requires a limit but names none.
    pub chunk_extension: usize,
    /// Bytes of the extensions of all chunks of a body, against bodies that consist mostly of extensions.
    pub chunk_extensions: usize,
    /// Bytes of the trailer section.
    pub trailers: usize,
    /// Bytes of a chunked body's content. A chunk that exceeds them is refused with 413 when its size is read. The caller
    /// checks a Content-Length, before it reads the body.
    pub body: u64,
    /// Whether a line of a head may end with LF alone. RFC 9112 §2.2 allows a recipient to accept that; other recipients of
    /// the same message may see other lines.
    pub allows_bare_lf: bool,
}

impl Default for Limits {
    /// gunicorn's limits for lines and fields, nginx's for the whole head.
    fn default() -> Limits {
        Limits {
            start_line: 8190,
            field: 8190,
            fields: 100,
            head: 32 * 1024,
            chunk_extension: 256,
            chunk_extensions: 16 * 1024,
            trailers: 8 * 1024,
            body: u64::MAX,
            allows_bare_lf: false,
        }
    }
}

impl Limits {
    /// For responses of an app, which is trusted more than clients are.
    #[must_use]
    pub fn response() -> Limits {
        Limits { field: 32 * 1024, fields: 500, head: 64 * 1024, ..Limits::default() }
    }
}
