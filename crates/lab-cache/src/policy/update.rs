//! Brings a stored response up to date with a 304 to a validation (RFC 9111 §4.3.4).

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
}
