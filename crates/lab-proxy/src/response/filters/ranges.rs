//! Ranges (RFC 9110 §14): one or more parts of a file.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};
use std::sync::atomic::{AtomicU64, Ordering};

use lab_http::Headers;

use crate::clock::parse_http_date;
use crate::context::RequestContext;
use crate::response::body::Part;
use crate::response::head::reason;
use crate::response::{Body, RangeValidators, Response, ResponseOverride};

/// Cuts the body to the requested ranges, or announces that this is possible.
///
/// # Errors
/// No range of the request exists.
pub(super) fn apply(context: &RequestContext<'_>, response: &mut Response) -> Result<(), ResponseOverride> {
    let Some(validators) = response.ranges.take() else { return Ok(()) };
    let max_ranges = context.config().max_ranges;
    if response.head.status != 200 || max_ranges == Some(0) {
        return Ok(());
    }
    let request = &context.request.head;
    // ranges are defined for GET only (RFC 9110 §14.2)
    let requested = request.headers.get("range").filter(|_| request.method() == b"GET");
    let requested = requested.and_then(byte_ranges).filter(|_| may_use(&request.headers, &validators));
    let total = match &response.body {
        Body::File(file) => file.length(),
        _ => validators.size,
    };
    let parsed = requested.map_or(Requested::Whole, |ranges| parse(ranges, total, max_ranges.unwrap_or(usize::MAX)));
    let parsed = match parsed {
        // as in nginx: content that arrives piece by piece cannot be sent in another order
        Requested::Ranges(ranges) if ranges.len() > 1 && matches!(response.body, Body::Stream(_) | Body::Sliced(_)) => {
            Requested::Whole
        }
        parsed => parsed,
    };
    match parsed {
        Requested::Whole => {
            response.head.fields_mut().push("Accept-Ranges", "bytes");
            Ok(())
        }
        Requested::Unsatisfiable => {
            let mut kept = Headers::new();
            kept.push("Content-Range", format!("bytes */{total}"));
            Err(ResponseOverride { kept, ..ResponseOverride::page(416) })
        }
        Requested::Ranges(ranges) => {
            response.head.status = 206;
            response.head.reason = Some(reason(206));
            match ranges[..] {
                [(start, end)] => send_one(response, start, end, total),
                _ => send_several(response, &ranges, total),
            }
            Ok(())
        }
    }
}

/// The part after `bytes=`.
fn byte_ranges(value: &[u8]) -> Option<&[u8]> {
    let (unit, ranges) = value.split_at_checked("bytes=".len())?;
    (unit.eq_ignore_ascii_case(b"bytes=") && !ranges.is_empty()).then_some(ranges)
}

/// `If-Range`: whether the client's part is one of this file (RFC 9110 §13.1.5).
fn may_use(request: &Headers, validators: &RangeValidators) -> bool {
    let Some(condition) = request.get("if-range") else { return true };
    if condition.len() >= 2 && condition.ends_with(b"\"") {
        // the comparison is a strong one
        return validators.tag.as_deref().is_some_and(|tag| tag == condition && !tag.starts_with(b"W/"));
    }
    parse_http_date(condition) == Some(validators.modified)
}

#[derive(Debug, PartialEq, Eq)]
enum Requested {
    Whole,
    Unsatisfiable,
    /// Starts and ends, the ends not included.
    Ranges(Vec<(u64, u64)>),
}

/// Parses a set of ranges as nginx does: more than `max` of them, or more bytes than the file has, get the whole file.
fn parse(set: &[u8], total: u64, max: usize) -> Requested {
    let mut ranges = Vec::new();
    let mut size = 0_u64;
    for spec in set.split(|&byte| byte == b',') {
        let Some((start, end)) = range(spec, total) else { return Requested::Unsatisfiable };
        if start < end {
            ranges.push((start, end));
            size = size.saturating_add(end - start);
            if ranges.len() > max {
                return Requested::Whole;
            }
        } else if start == 0 {
            return Requested::Whole;
        }
    }
    match ranges.is_empty() {
        true => Requested::Unsatisfiable,
        false if size > total => Requested::Whole,
        false => Requested::Ranges(ranges),
    }
}

/// One range: `5-9`, `5-` or `-5`. It is empty if it begins behind the end of the file.
fn range(spec: &[u8], total: u64) -> Option<(u64, u64)> {
    let dash = memchr::memchr(b'-', spec)?;
    let [first, last] = [&spec[..dash], &spec[dash + 1..]];
    let trim = |text: &[u8]| -> Vec<u8> {
        let start = text.iter().position(|byte| *byte != b' ').unwrap_or(text.len());
        let end = text.iter().rposition(|byte| *byte != b' ').map_or(start, |end| end + 1);
        text[start..end].to_vec()
    };
    let number = |text: &[u8]| -> Option<u64> {
        let text = std::str::from_utf8(text).ok().filter(|text| !text.is_empty())?;
        lab_nginx_conf::parse_number(text).filter(|number| i64::try_from(*number).is_ok())
    };
    // as in nginx: a suffix follows its dash at once
    match (&*trim(first), &*trim(last)) {
        (b"", suffix) if last.first() != Some(&b' ') => Some((total.saturating_sub(number(suffix)?), total)),
        (b"", _) => None,
        (start, b"") => Some((number(start)?, total)),
        (start, end) => Some((number(start)?, number(end)?.saturating_add(1).min(total))),
    }
}

fn send_one(response: &mut Response, start: u64, end: u64, total: u64) {
    set_length(response, end - start);
    response.head.fields_mut().push("Content-Range", format!("bytes {start}-{}/{total}", end - 1));
    match &mut response.body {
        Body::File(file) => file.cut(start, end - start),
        Body::Bytes { content, .. } => *content = content[start as usize..end as usize].to_vec(),
        Body::Stream(stream) => stream.cut(start, end - start),
        Body::Sliced(sliced) => sliced.cut(start, end - start),
        Body::Empty | Body::Parts(_) | Body::Spooled(_) => {}
    }
}

/// A `multipart/byteranges` with nginx's form of the delimiters.
fn send_several(response: &mut Response, ranges: &[(u64, u64)], total: u64) {
    let boundary = boundary();
    let media_type = response.head.fields().get("content-type").map(<[u8]>::to_vec);
    let mut parts = Vec::new();
    let mut length = 0;
    for &(start, end) in ranges {
        let mut delimiter = format!("\r\n--{boundary}\r\n").into_bytes();
        if let Some(media_type) = &media_type {
            delimiter.extend_from_slice(&[b"Content-Type: ", &**media_type, b"\r\n"].concat());
        }
        delimiter.extend_from_slice(format!("Content-Range: bytes {start}-{}/{total}\r\n\r\n", end - 1).as_bytes());
        length += delimiter.len() as u64 + end - start;
        parts.push(Part::Text(delimiter));
        parts.push(Part::Range { start, length: end - start });
    }
    let last = format!("\r\n--{boundary}--\r\n").into_bytes();
    length += last.len() as u64;
    parts.push(Part::Text(last));
    set_length(response, length);
    response.head.fields_mut().remove("Content-Type");
    response.head.fields_mut().insert(0, "Content-Type", format!("multipart/byteranges; boundary={boundary}"));
    let body = std::mem::replace(&mut response.body, Body::Empty);
    response.body = body.into_parts(parts, length);
}

fn set_length(response: &mut Response, length: u64) {
    let fields = response.head.fields_mut();
    let position = fields.iter().position(|(name, _)| name.eq_ignore_ascii_case(b"content-length"));
    if let Some(position) = position {
        fields.set_value(position, length.to_string());
    }
}

/// Twenty digits that no file is likely to contain.
fn boundary() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let mut hasher = RandomState::new().build_hasher();
    hasher.write_u64(NEXT.fetch_add(1, Ordering::Relaxed));
    format!("{:020}", hasher.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_parsed_as_in_nginx() {
        use Requested::{Ranges, Unsatisfiable, Whole};
        for (set, expected) in [
            ("0-0", Ranges(vec![(0, 1)])),
            ("2-4", Ranges(vec![(2, 5)])),
            ("5-", Ranges(vec![(5, 10)])),
            ("-3", Ranges(vec![(7, 10)])),
            ("-30", Ranges(vec![(0, 10)])),
            ("5-100", Ranges(vec![(5, 10)])),
            ("0-1,4-5", Ranges(vec![(0, 2), (4, 6)])),
            (" 0-1 , 4 - 5", Ranges(vec![(0, 2), (4, 6)])),
            ("0-1,20-30", Ranges(vec![(0, 2)])),
            ("0-9,0-9", Whole),
            ("0-1,1-2,2-3,3-4", Whole),
            ("10-", Unsatisfiable),
            ("-0", Unsatisfiable),
            ("4-2", Unsatisfiable),
            ("x", Unsatisfiable),
            ("- 3", Unsatisfiable),
            ("1-2x", Unsatisfiable),
            ("99999999999999999999-", Unsatisfiable),
            ("0-99999999999999999999", Unsatisfiable),
            ("1-2,", Unsatisfiable),
            ("-", Unsatisfiable),
        ] {
            assert_eq!(parse(set.as_bytes(), 10, 3), expected, "{set}");
        }
        assert_eq!(parse(b"0-", 0, 3), Whole);
    }
}
