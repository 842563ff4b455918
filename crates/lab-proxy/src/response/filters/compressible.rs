//! Which responses `gzip` and `brotli` may compress.

use lab_nginx_conf::parse_number;

use crate::config::location::media_type_set::MediaTypeSet;
use crate::response::Response;

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
