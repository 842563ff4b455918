//! Responses that bring a stored one up to date: a 304 to a validation (RFC 9111 §4.3.4), and the response to a HEAD
//! (§4.3.5).

use lab_http::Headers;

/// Fields that describe the stored content, which a 304 does not replace (RFC 9111 §3.2), and the entity tag by which the
/// response was selected.
const OF_CONTENT: [&[u8]; 5] = [b"content-encoding", b"content-length", b"content-md5", b"content-range", b"etag"];

/// The fields of a stored response after an update. `is_left_out` names those that are not stored.
#[must_use]
pub fn updated(stored: &Headers, update: &Headers, is_left_out: impl Fn(&[u8]) -> bool) -> Headers {
    let is_taken = |name: &[u8]| !OF_CONTENT.iter().any(|own| name.eq_ignore_ascii_case(own)) && !is_left_out(name);
    let replaces = |name: &[u8]| update.iter().any(|(own, _)| own.eq_ignore_ascii_case(name)) && is_taken(name);
    let kept = stored.iter().filter(|(name, _)| !replaces(name));
    kept.chain(update.iter().filter(|(name, _)| is_taken(name))).collect()
}

/// Whether a 304 is about the stored response: it has no entity tag, or the same one by the weak comparison.
#[must_use]
pub fn selects(stored: &Headers, update: &Headers) -> bool {
    match (stored.get("etag"), update.get("etag")) {
        (Some(own), Some(other)) => opaque(own) == opaque(other),
        _ => true,
    }
}

/// Whether the response to a HEAD describes the stored content: same validators, same length (RFC 9111 §4.3.5).
#[must_use]
pub fn describes(stored: &Headers, stored_length: u64, head: &Headers) -> bool {
    let is_same = |name: &str| match (stored.get(name), head.get(name)) {
        (Some(own), Some(other)) => own == other,
        (None, Some(_)) => false,
        (_, None) => true,
    };
    let has_length = head.get("content-length").is_none_or(|length| {
        let length = std::str::from_utf8(length).ok().and_then(|text| text.parse::<u64>().ok());
        length == Some(stored_length)
    });
    is_same("etag") && is_same("last-modified") && has_length
}

/// An entity tag without the mark of a weak one.
fn opaque(tag: &[u8]) -> &[u8] {
    tag.strip_prefix(b"W/").unwrap_or(tag)
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
    fn tag_of_another_response_selects_nothing() {
        let stored = fields(&[("ETag", "\"a\"")]);
        for (tag, expected) in [("\"a\"", true), ("W/\"a\"", true), ("\"b\"", false)] {
            assert_eq!(selects(&stored, &fields(&[("etag", tag)])), expected, "{tag}");
        }
        assert!(selects(&stored, &fields(&[])));
        assert!(selects(&fields(&[]), &fields(&[("ETag", "\"a\"")])));
    }

    #[test]
    fn head_with_another_length_describes_other_content() {
        let stored = fields(&[("ETag", "\"a\""), ("Last-Modified", "x")]);
        for (head, expected) in [
            (&[][..], true),
            (&[("ETag", "\"a\""), ("Content-Length", "5")], true),
            (&[("ETag", "\"b\"")], false),
            (&[("Content-Length", "6")], false),
            (&[("Content-Length", "x")], false),
            (&[("Last-Modified", "y")], false),
        ] {
            assert_eq!(describes(&stored, 5, &fields(head)), expected, "{head:?}");
        }
        assert!(!describes(&fields(&[]), 5, &fields(&[("ETag", "\"a\"")])));
    }
}
