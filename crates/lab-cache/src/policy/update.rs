//! Brings a stored response up to date with a 304 to a validation (RFC 9111 §4.3.4), or with the response to a HEAD
//! (§4.3.5).

use lab_http::Headers;

/// Fields that describe the stored content, which a 304 does not replace (RFC 9111 §3.2), and the entity tag by which the
/// response was selected.
const OF_CONTENT: [&[u8]; 5] = [b"content-encoding", b"content-length", b"content-md5", b"content-range", b"etag"];

/// Whether a 304 with the fields `update` is about the stored response that was validated: its validators do not
/// contradict those of the response (RFC 9111 §4.3.4).
#[must_use]
pub fn is_confirmed(stored: &Headers, update: &Headers) -> bool {
    let dates = update.get("last-modified").zip(stored.get("last-modified"));
    match (update.get("etag"), stored.get("etag")) {
        // Servers that compress weaken the tag of a 200 but not that of a 304, so the comparison is a weak one.
        (Some(tag), Some(own)) => opaque_tag(tag) == opaque_tag(own),
        (Some(_), None) => dates.is_some_and(|(date, own)| date == own),
        // many servers repeat none of the validators
        (None, _) => dates.is_none_or(|(date, own)| date == own),
    }
}

/// Whether the response to a HEAD, with the fields `head`, describes a stored response with `length` bytes of content
/// (RFC 9111 §4.3.5).
#[must_use]
pub fn is_described(stored: &Headers, head: &Headers, length: u64) -> bool {
    let is_same = |name| head.get(name).is_none_or(|value| stored.get(name) == Some(value));
    let has_length = head.get("content-length").is_none_or(|value| value == length.to_string().as_bytes());
    is_same("etag") && is_same("last-modified") && has_length
}

/// An entity tag without the mark of a weak one.
fn opaque_tag(tag: &[u8]) -> &[u8] {
    tag.strip_prefix(b"W/").unwrap_or(tag)
}

/// The fields of a stored response after an update. `is_left_out` names those that are not stored.
#[must_use]
pub fn updated(stored: &Headers, update: &Headers, is_left_out: impl Fn(&[u8]) -> bool) -> Headers {
    let is_taken = |name: &[u8]| !OF_CONTENT.iter().any(|own| name.eq_ignore_ascii_case(own)) && !is_left_out(name);
    let replaces = |name: &[u8]| update.iter().any(|(own, _)| own.eq_ignore_ascii_case(name)) && is_taken(name);
    let kept = stored.iter().filter(|(name, _)| !replaces(name));
    kept.chain(update.iter().filter(|(name, _)| is_taken(name))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(lines: &[(&str, &str)]) -> Headers {
        lines.iter().copied().collect()
    }

    #[test]
    fn update_replaces_fields() {
        let stored = fields(&[
            ("Date", "1"),
            ("ETag", "\"a\""),
            ("Content-Length", "5"),
            ("Content-Encoding", "gzip"),
            ("Content-Type", "text/plain"),
            ("X-A", "1"),
            ("X-A", "2"),
            ("X-B", "1"),
        ]);
        let update = fields(&[
            ("date", "2"),
            ("ETag", "\"b\""),
            ("Content-Length", "0"),
            ("Content-Encoding", "br"),
            ("X-A", "3"),
            ("X-C", "1"),
            ("Connection", "close"),
        ]);
        let found = updated(&stored, &update, |name| name.eq_ignore_ascii_case(b"connection"));
        let expected = fields(&[
            ("ETag", "\"a\""),
            ("Content-Length", "5"),
            ("Content-Encoding", "gzip"),
            ("Content-Type", "text/plain"),
            ("X-B", "1"),
            ("date", "2"),
            ("X-A", "3"),
            ("X-C", "1"),
        ]);
        assert_eq!(found.iter().collect::<Vec<_>>(), expected.iter().collect::<Vec<_>>());
    }

    #[test]
    fn validators_select_the_response() {
        const DATE: (&str, &str) = ("Last-Modified", "Sun, 06 Nov 1994 08:49:37 GMT");
        const LATER: (&str, &str) = ("Last-Modified", "Sun, 06 Nov 1994 08:49:38 GMT");
        const TAG: (&str, &str) = ("ETag", "\"a\"");
        const WEAK: (&str, &str) = ("ETag", "W/\"a\"");
        const OTHER: (&str, &str) = ("ETag", "\"b\"");
        for (stored, update, expected) in [
            (&[TAG][..], &[][..], true),
            (&[TAG], &[TAG], true),
            (&[TAG], &[WEAK], true),
            (&[WEAK], &[TAG], true),
            (&[TAG], &[OTHER], false),
            (&[TAG, DATE], &[TAG, LATER], true),
            (&[TAG, DATE], &[OTHER, DATE], false),
            (&[TAG, DATE], &[LATER], false),
            (&[TAG], &[DATE], true),
            (&[DATE], &[DATE], true),
            (&[DATE], &[LATER], false),
            (&[DATE], &[], true),
            (&[DATE], &[TAG], false),
            (&[DATE], &[TAG, DATE], true),
        ] {
            assert_eq!(is_confirmed(&fields(stored), &fields(update)), expected, "{stored:?} {update:?}");
        }
    }

    #[test]
    fn head_describes_stored_content() {
        let stored = fields(&[("ETag", "\"a\""), ("Last-Modified", "x")]);
        for (head, expected) in [
            (&[][..], true),
            (&[("Content-Length", "5"), ("ETag", "\"a\"")], true),
            (&[("Content-Length", "6"), ("ETag", "\"a\"")], false),
            (&[("ETag", "\"b\"")], false),
            (&[("Last-Modified", "y")], false),
        ] {
            assert_eq!(is_described(&stored, &fields(head), 5), expected, "{head:?}");
        }
        assert!(!is_described(&fields(&[]), &fields(&[("ETag", "\"a\"")]), 5));
    }
}
