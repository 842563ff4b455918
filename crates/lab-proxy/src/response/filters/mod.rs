//! The filters between a final response and the client, in nginx's order: gunzip, addition,
//! sub_filter, charset, ssi, brotli, zstd, gzip, ranges.
//!
//! Each has a file: it looks at the head, changes it, and may add a [`ContentFilter`] that the content passes piece by
//! piece, or cut the body. A filter that changes the content removes what no longer holds: the length, ranges, and the
//! strength of the entity tag. `expires` belongs to the fields that [`rewrite`](super::rewrite) adds.

pub(crate) mod content;
pub(crate) mod expires;
mod addition;
mod brotli;
mod charset;
mod compressible;
mod gunzip;
mod gzip;
mod progress;
mod ranges;
mod recoding;
mod ssi;
mod substitution;
mod zstd;

use crate::context::RequestContext;
use crate::response::{Head, Response, ResponseOverride};

use content::ContentFilter;
pub(crate) use content::FilterChain;

/// Applies the filters of the current location. `charset` is the value of `X-Accel-Charset`.
///
/// # Errors
/// The range cannot be satisfied.
pub(crate) fn apply(
    context: &RequestContext<'_>,
    response: &mut Response,
    charset: Option<&[u8]>,
) -> Result<(), ResponseOverride> {
    if let Some(gunzip) = gunzip::apply(context, response) {
        add(response, ContentFilter::Gunzip(gunzip));
    }
    addition::apply(context, response);
    if let Some(substitution) = substitution::apply(context, response) {
        add(response, ContentFilter::Substitution(substitution));
    }
    if let Some(recoding) = charset::apply(context, response, charset) {
        add(response, ContentFilter::Recoding(recoding));
    }
    ssi::apply(context, response);
    if let Some(assembly) = &mut response.assembly {
        assembly.filters = response.filters.take();
    }
    // as in nginx: the response to a subrequest is a part of another one
    if context.route.is_subrequest {
        return Ok(());
    }
    if let Some(brotli) = brotli::apply(context, response) {
        add(response, ContentFilter::Brotli(brotli));
    }
    if let Some(zstd) = zstd::apply(context, response) {
        add(response, ContentFilter::Zstd(zstd));
    }
    if let Some(gzip) = gzip::apply(context, response) {
        add(response, ContentFilter::Gzip(gzip));
    }
    if response.varies && context.config().gzip.vary {
        response.head.fields_mut().push("Vary", "Accept-Encoding");
    }
    ranges::apply(context, response)
}

fn add(response: &mut Response, filter: ContentFilter) {
    response.filters.get_or_insert_with(|| Box::new(FilterChain::new())).push(filter);
}

/// Changes a head for content that is encoded differently from now on.
fn recode(response: &mut Response) {
    let fields = response.head.fields_mut();
    for name in ["Content-Length", "Content-Encoding", "Accept-Ranges"] {
        fields.remove(name);
    }
    response.ranges = None;
    weaken_tag(&mut response.head);
}

/// Makes the validators of changed content weak, or removes them.
fn change_validators(head: &mut Head, are_kept: bool) {
    if are_kept {
        weaken_tag(head);
    } else {
        head.fields_mut().remove("Last-Modified");
        head.fields_mut().remove("ETag");
    }
}

/// Makes the entity tag a weak one (RFC 9110 §8.8.3). As in nginx, one without quotes is removed.
fn weaken_tag(head: &mut Head) {
    let position = head.fields().iter().position(|(name, _)| name.eq_ignore_ascii_case(b"etag"));
    let Some(tag) = head.fields().get("etag").map(<[u8]>::to_vec) else { return };
    if tag.starts_with(b"W/") {
        return;
    }
    match position {
        Some(position) if tag.len() >= 2 && tag.starts_with(b"\"") => {
            head.fields_mut().set_value(position, [b"W/", &*tag].concat());
        }
        _ => _ = head.fields_mut().remove("etag"),
    }
}
