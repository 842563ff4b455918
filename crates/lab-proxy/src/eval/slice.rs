//! `$slice_range`: the slice of a response that a request is for.

use std::io::Write as _;

use super::Scope;

impl Scope<'_> {
    /// Appends the value of `$slice_range`. False if there are no slices. As in nginx, the response is one afterwards.
    pub(super) fn write_slice_range(&self, out: &mut Vec<u8>) -> bool {
        let Some((size, start)) = self.route.location.config.slice.zip(self.slice_start()) else { return false };
        self.outcome.is_sliced.set(true);
        let last = start.saturating_add(size - 1);
        // writing to memory cannot fail
        _ = write!(out, "bytes={start}-{last}");
        true
    }

    /// Where the slice of this request begins; none if there are no slices.
    #[must_use]
    pub(crate) fn slice_start(&self) -> Option<u64> {
        let size = self.route.location.config.slice?;
        if self.outcome.slice_start.is_some() || self.route.is_subrequest {
            return self.outcome.slice_start;
        }
        let headers = &self.request?.head.headers;
        // the client may get the whole
        let range = headers.get("range").filter(|_| !headers.contains("if-range"));
        let first = range.and_then(first_byte).unwrap_or(0);
        Some(first - first % size)
    }
}

/// The first byte of a single range; none for the last bytes.
fn first_byte(range: &[u8]) -> Option<u64> {
    let (unit, range) = range.split_at_checked("bytes=".len())?;
    if !unit.eq_ignore_ascii_case(b"bytes=") || range.contains(&b',') {
        return None;
    }
    let range = range.trim_ascii_start();
    let digits = range.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(range.len());
    std::str::from_utf8(&range[..digits]).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_bytes_of_ranges() {
        for (range, expected) in [
            ("bytes=0-1", Some(0)),
            ("BYTES= 12-", Some(12)),
            ("bytes=12", Some(12)),
            ("bytes=-5", None),
            ("bytes=1-2,5-6", None),
            ("bytes=99999999999999999999-", None),
            ("bytes=", None),
            ("items=1-2", None),
            ("b", None),
        ] {
            assert_eq!(first_byte(range.as_bytes()), expected, "{range}");
        }
    }
}
