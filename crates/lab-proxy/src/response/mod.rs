//! The response between upstream and client: an owned head and body, and the steps that change them.
//!
//! An upstream's exchange, a page, a text and a file all produce a [`Response`]. `downstream` applies the steps below
//! to it and only then writes it. This module knows the configuration and the request's context. It must not know where
//! a response comes from or how it is written: it opens no connections and imports nothing of `upstream` or
//! `downstream`.
//!
//! # Seams: where a new step goes
//!
//! | step | place | effect on the response |
//! |---|---|---|
//! | cache lookup | `downstream::cached::look_up`, before `Forwarding::new` | a stored [`Response`] instead of that of an upstream |
//! | cache store | `downstream::cache_reception::store`, before `rewrite::rewrite` | the [`Body`] copies each piece; the head is still the upstream's |
//! | X-Accel-*, intercepted errors | [`accel`], [`response_override`] | obeys the upstream, or replaces the response |
//! | rewriting of the head | [`rewrite`] | hides and adds fields, maps `Location` and `Set-Cookie` |
//! | assembly (addition, ssi) | `downstream::assembly`, before the response is written | replaces the body by one that contains other responses |
//! | filters (gunzip, charset, gzip, ranges) | [`filters::apply`], after the head is complete | edits the head; a [`filters::content::ContentFilter`] changes the content, a variant of [`Body`] cuts it |
//! | writing | `downstream::response_writer` | framing, connection fields, buffering for slow clients |
//!
//! A new kind of body is a variant of [`Body`]; its pieces are pulled by [`Body::next_piece`]. Local responses
//! ([`local`]) pass the filters too. A new filter is a file in [`filters`].

use lab_http::message::is_bodyless;
use lab_http::{BodyLength, Version};

pub(crate) mod accel;
pub(crate) mod assembly;
pub(crate) mod body;
pub(crate) mod content_range;
mod cookies;
pub(crate) mod error_page;
pub(crate) mod filters;
pub(crate) mod head;
pub(crate) mod local;
mod proxy_redirect;
pub(crate) mod redirect;
pub(crate) mod response_override;
pub(crate) mod rewrite;
pub(crate) mod ssi;
pub(crate) mod trailers;

pub(crate) use body::{Body, BodyError, ContentCopy, StreamBody, StreamReader};
pub(crate) use filters::FilterChain;
pub(crate) use head::Head;
pub(crate) use response_override::{ResponseOverride, Substitute};

/// A response on its way to the client.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) head: Head,
    pub(crate) body: Body,
    /// What the content is assembled with first; none in most cases.
    pub(crate) assembly: Option<Box<assembly::Assembly>>,
    /// What the content passes before it is written; none in most cases.
    pub(crate) filters: Option<Box<FilterChain>>,
    /// What `If-Range` is compared with, if parts of the body may be sent.
    pub(crate) ranges: Option<RangeValidators>,
    /// Whether another `Accept-Encoding` could get another response.
    pub(crate) varies: bool,
    /// Whether the head leaves the length of a body open that is in memory, as nginx does for generated content.
    pub(crate) hides_length: bool,
    /// Whether trailers follow the body, which HTTP/1.1 must send in chunks for that.
    pub(crate) has_trailers: bool,
}

/// The validators of a file.
#[derive(Debug)]
pub(crate) struct RangeValidators {
    /// Its entity tag, quotes included.
    pub(crate) tag: Option<Vec<u8>>,
    /// In seconds since 1970.
    pub(crate) modified: i64,
    /// In bytes.
    pub(crate) size: u64,
}

impl Response {
    /// A response without filters or ranges.
    pub(crate) fn new(head: Head, body: Body) -> Response {
        Response {
            head,
            body,
            assembly: None,
            filters: None,
            ranges: None,
            varies: false,
            hides_length: false,
            has_trailers: false,
        }
    }

    /// How the body is framed for a client of this version.
    pub(crate) fn framing(&self, version: Version, chunks: bool) -> BodyLength {
        if is_bodyless(self.head.status) {
            return BodyLength::None;
        }
        let needs_chunks = self.has_trailers && version != Version::Http2;
        let has_other_length = self.filters.as_ref().is_some_and(|filters| !filters.keeps_length());
        let is_open = has_other_length || self.hides_length || needs_chunks;
        match self.body.length() {
            BodyLength::None if !is_open => BodyLength::None,
            BodyLength::Sized(length) if !is_open => BodyLength::Sized(length),
            _ if chunks && version == Version::Http11 => BodyLength::Chunked,
            _ => BodyLength::UntilClose,
        }
    }
}
