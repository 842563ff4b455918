//! `Content-Range` (RFC 9110 §14.4): which part of a whole a response has.

/// A range of bytes, and the length of the whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ContentRange {
    pub(crate) start: u64,
    /// The position behind its last byte.
    pub(crate) end: u64,
    pub(crate) total: u64,
}

impl ContentRange {
    /// Parses `bytes 0-4/10`. None if it is malformed, or if the length of the whole is not known.
    pub(crate) fn parse(value: &[u8]) -> Option<ContentRange> {
        let value = std::str::from_utf8(value).ok()?;
        let (unit, range) = value.split_once(' ')?;
        let (range, total) = range.split_once('/')?;
        let (first, last) = range.split_once('-')?;
        let number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten();
        let (start, last, total): (u64, u64, u64) = (number(first)?, number(last)?, number(total)?);
        let is_valid = unit.eq_ignore_ascii_case("bytes") && start <= last && last < total;
        is_valid.then_some(ContentRange { start, end: last + 1, total })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_ranges_are_parsed() {
        let range = |start, end, total| Some(ContentRange { start, end, total });
        for (value, expected) in [
            ("bytes 0-4/10", range(0, 5, 10)),
            ("Bytes 9-9/10", range(9, 10, 10)),
            ("bytes 0-4/*", None),
            ("bytes */10", None),
            ("bytes 4-3/10", None),
            ("bytes 0-10/10", None),
            ("bytes 0-+4/10", None),
            ("bytes 0-4", None),
            ("items 0-4/10", None),
            ("", None),
        ] {
            assert_eq!(ContentRange::parse(value.as_bytes()), expected, "{value}");
        }
    }
}
