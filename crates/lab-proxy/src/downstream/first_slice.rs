//! The first slice of a response (`slice`), which stands for the whole from now on.

use lab_cache::store::StoredContent;
use lab_http::Headers;

use crate::clock::parse_http_date;
use crate::config::logs::Severity;
use crate::context::RequestContext;
use crate::response::body::{FileBody, SliceContent, SlicedBody};
use crate::response::content_range::ContentRange;
use crate::response::head::reason;
use crate::response::{Body, Head, RangeValidators, Response, ResponseOverride};

/// Whether a response is the first slice of what the client gets.
pub(crate) fn is_first(context: &RequestContext<'_>, head: &Head) -> bool {
    let is_sliced = context.outcome.is_sliced.get() && context.config().slice.is_some();
    is_sliced && !context.route.is_subrequest && head.received_status() == 206
}

/// The content of a stored slice.
pub(crate) fn stored_content(content: StoredContent) -> SliceContent {
    match content {
        StoredContent::Memory(content) => SliceContent::Bytes(content),
        StoredContent::File { file, start, length } => SliceContent::File(FileBody::new(file, start, length)),
    }
}

/// Makes the first slice a response with the whole.
///
/// # Errors
/// The upstream has sent another range than the requested one.
pub(crate) fn open(
    context: &RequestContext<'_>,
    response: &mut Response,
    content: SliceContent,
) -> Result<(), ResponseOverride> {
    let fields = response.head.fields();
    let (size, start) = (context.config().slice.unwrap_or(1), context.scope().slice_start().unwrap_or(0));
    let range = check_range(fields, start, None).and_then(|range| check_length(range, &content).map(|()| range));
    let range = match range {
        Ok(range) => range,
        Err(message) => {
            context.log_error(Severity::Error, &message, None);
            return Err(ResponseOverride::page(502));
        }
    };
    let tag = fields.get("etag").map(<[u8]>::to_vec);
    response.ranges = Some(RangeValidators {
        tag: tag.clone(),
        modified: fields.get("last-modified").and_then(parse_http_date).unwrap_or(-1),
        size: range.total,
    });
    response.head.status = 200;
    response.head.reason = Some(reason(200));
    let fields = response.head.fields_mut();
    for name in ["Content-Range", "Content-Length", "Accept-Ranges"] {
        fields.remove(name);
    }
    fields.push("Content-Length", range.total.to_string());
    response.body = Body::Sliced(Box::new(SlicedBody::new(content, start, size, range.total, tag)));
    Ok(())
}

/// The range of a slice that begins at `start`; otherwise the reason why it is another one.
pub(crate) fn check_range(fields: &Headers, start: u64, total: Option<u64>) -> Result<ContentRange, String> {
    let value = fields.get("content-range").unwrap_or_default();
    let range = ContentRange::parse(value);
    let range = range.ok_or_else(|| format!("invalid range in slice response: \"{}\"", value.escape_ascii()))?;
    if range.start != start || total.is_some_and(|total| total != range.total) {
        return Err(format!("unexpected range in slice response: \"{}\"", value.escape_ascii()));
    }
    Ok(range)
}

/// Checks that the content of a slice is as long as its range.
pub(crate) fn check_length(range: ContentRange, content: &SliceContent) -> Result<(), String> {
    if content.length() == range.end - range.start {
        return Ok(());
    }
    Err("the content of a slice response does not have the length of its range".to_owned())
}
