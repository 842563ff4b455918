//! The response between upstream and client: an owned head and body, and the steps that change them.
//!
//! An upstream's exchange, a page, a text and a file all produce a [`Response`]. `downstream` applies the steps below to
//! it and only then writes it. This room knows the configuration and the request's context. It must not know where a
//! response comes from or how it is written: it opens no connections and imports nothing of `upstream` or `downstream`.
//!
//! # Seams: where a new step goes
//!
//! | step | place | what it does to the response |
//! |---|---|---|
//! | cache lookup | `downstream::proxied::forward`, before `Forwarding::new` | returns a stored [`Response`] instead of contacting an upstream |
//! | cache store | `downstream::proxied::deliver`, before `rewrite::rewrite` | wraps [`Body`] in a variant that copies each piece; the head is still the upstream's |
//! | X-Accel-*, intercepted errors | [`accel`], [`response_override`] | obeys the upstream, or replaces the response |
//! | rewriting of the head | [`rewrite`] | hides and adds fields, maps `Location` and `Set-Cookie` |
//! | ranges (`Range`, 206) | after [`rewrite`], before `ResponseWriter::begin` | a [`Body`] variant that skips and stops; edits `Content-Length` |
//! | gzip | after ranges | a [`Body`] variant of unknown length; removes `Content-Length`, and the writer chooses chunks |
//! | writing | `downstream::response_writer` | framing, connection fields, buffering for slow clients |
//!
//! A new kind of body is a variant of [`Body`]; its pieces are pulled by [`Body::next_piece`]. Responses of the proxy's
//! own ([`local`]) enter at `ResponseWriter::begin`, so a step for both kinds belongs there.

pub(crate) mod accel;
pub(crate) mod body;
pub(crate) mod error_page;
pub(crate) mod head;
pub(crate) mod local;
pub(crate) mod redirect;
pub(crate) mod response_override;
pub(crate) mod rewrite;

pub(crate) use body::{Body, BodyError, StreamBody, StreamReader};
pub(crate) use head::Head;
pub(crate) use response_override::{ResponseOverride, Substitute};

/// A response on its way to the client.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) head: Head,
    pub(crate) body: Body,
}
