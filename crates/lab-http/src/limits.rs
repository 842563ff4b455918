//! How much of a message is read before it is refused.

/// Bounds on a head and on the framing of a chunked body. None of them bounds a body's content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the start line, its line end not counted. More is 414 in a request (gunicorn's `limit_request_line`,
    /// one of nginx's `large_client_header_buffers`).
    pub start_line: usize,
    /// Bytes of one field line, its line end not counted. More is 431 (gunicorn's `limit_request_field_size`, one of
    /// nginx's `large_client_header_buffers`).
    pub field: usize,
    /// Number of field lines. More is 431 (gunicorn's `limit_request_fields`).
    pub fields: usize,
    /// Bytes of the whole head, line ends counted. More is 431 (all of nginx's `large_client_header_buffers`).
    pub head: usize,
    /// Bytes of the extensions of one chunk (RFC 9112 §7.1.1 asks for a bound and names none).
    pub chunk_extension: usize,
    /// Bytes of the extensions of all chunks of one body, against bodies that are mostly extension.
    pub chunk_extensions: usize,
    /// Bytes of the trailer section.
    pub trailers: usize,
}

impl Default for Limits {
    /// gunicorn's bounds on lines and fields, nginx's on the whole head.
    fn default() -> Limits {
        Limits {
            start_line: 8190,
            field: 8190,
            fields: 100,
            head: 32 * 1024,
            chunk_extension: 256,
            chunk_extensions: 16 * 1024,
            trailers: 8 * 1024,
        }
    }
}

impl Limits {
    /// For the responses of an app one trusts more than its clients.
    #[must_use]
    pub fn response() -> Limits {
        Limits { field: 32 * 1024, fields: 500, head: 64 * 1024, ..Limits::default() }
    }
}
