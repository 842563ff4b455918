//! Which responses `gzip`, `brotli` and `zstd` may compress.

use lab_nginx_conf::parse_number;

use super::recode;
use crate::config::location::filters::content_coding::ContentCodingConfig;
use crate::config::location::filters::media_type_set::MediaTypeSet;
use crate::context::RequestContext;
use crate::phases::accepts_coding;
use crate::response::Response;

/// Announces the content coding in the response's head if the configuration and the request allow it, and returns whether
/// the body needs to be compressed.
pub(super) fn announce(
    context: &RequestContext<'_>,
    response: &mut Response,
    rules: &ContentCodingConfig,
    coding: &str,
) -> bool {
    if !rules.is_on || !is_compressible(response, rules.min_length, &rules.types) {
        return false;
    }
    response.varies = true;
    if !accepts_coding(&context.request.head.headers, coding) {
        return false;
    }
    recode(response);
    response.head.fields_mut().push("Content-Encoding", coding);
    !context.is_head()
}

/// Whether the status, the length and the type of a response allow that it is compressed.
pub(super) fn is_compressible(response: &Response, min_length: u64, types: &MediaTypeSet) -> bool {
    let fields = response.head.fields();
    let is_encoded = fields.get("content-encoding").is_some_and(|coding| !coding.is_empty());
    let length = fields.get("content-length").and_then(|length| std::str::from_utf8(length).ok());
    let is_short = length.and_then(parse_number).is_some_and(|length: u64| length < min_length);
    matches!(response.head.status, 200 | 403 | 404)
        && !is_encoded
        && !is_short
        && types.contains(fields.get("content-type"))
}
