//! Conditional requests (RFC 9110 §13) for responses with a date or an entity tag.
//!
//! nginx evaluates `If-Modified-Since` even with `If-None-Match`. Here, as in the RFC, only the tag counts then.

use lab_http::Headers;

use crate::clock::parse_http_date;
use crate::config::location::static_files::IfModifiedSince;

/// The validators of a response.
#[derive(Debug, Clone, Copy)]
pub struct Validators<'a> {
    /// `ETag`, quotes included.
    pub tag: Option<&'a [u8]>,
    /// `Last-Modified`, in seconds since 1970.
    pub modified: Option<i64>,
}

/// The result of the conditions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precondition {
    Send,
    /// 304: the client has a current copy.
    NotModified,
    /// 412: the response is not the one the client expects.
    Failed,
}

/// Whether a request is conditional, apart from `If-Range`.
#[must_use]
pub fn has_conditions(headers: &Headers) -> bool {
    let conditions = ["if-match", "if-none-match", "if-modified-since", "if-unmodified-since"];
    conditions.iter().any(|name| headers.contains(name))
}

/// Evaluates the conditions of a GET or HEAD whose response would be 200 (RFC 9110 §13.2.2).
#[must_use]
pub fn evaluate(headers: &Headers, own: Validators<'_>, dates: IfModifiedSince) -> Precondition {
    if headers.contains("if-match") {
        if !lists(headers, "if-match", own.tag, false) {
            return Precondition::Failed;
        }
    } else if let Some(date) = headers.get("if-unmodified-since")
        && parse_http_date(date).zip(own.modified).is_none_or(|(date, modified)| modified > date)
    {
        return Precondition::Failed;
    }
    if headers.contains("if-none-match") {
        return if lists(headers, "if-none-match", own.tag, true) {
            Precondition::NotModified
        } else {
            Precondition::Send
        };
    }
    let since = headers.get("if-modified-since").and_then(parse_http_date).zip(own.modified);
    let is_known = since.is_some_and(|(date, modified)| match dates {
        IfModifiedSince::Off => false,
        IfModifiedSince::Exact => date == modified,
        IfModifiedSince::Before => modified <= date,
    });
    if is_known { Precondition::NotModified } else { Precondition::Send }
}

/// Whether a list contains the response's tag, or is `*`. A weak comparison (§8.8.3.2) ignores `W/`.
fn lists(headers: &Headers, name: &str, own: Option<&[u8]>, weak: bool) -> bool {
    headers.get_all(name).any(|line| {
        if line == b"*" {
            return true;
        }
        let Some(own) = own.filter(|own| weak || !own.starts_with(b"W/")) else { return false };
        let mut rest = line;
        loop {
            rest = rest.trim_ascii_start().strip_prefix(b",").unwrap_or(rest).trim_ascii_start();
            let start = if rest.starts_with(b"W/") { 2 } else { 0 };
            let Some(quoted) = rest.get(start..).and_then(|quoted| quoted.strip_prefix(b"\"")) else { return false };
            let Some(end) = memchr::memchr(b'"', quoted) else { return false };
            let (tag, behind) = rest.split_at(start + end + 2);
            if opaque_part(tag, weak) == opaque_part(own, weak) {
                return true;
            }
            rest = behind;
        }
    })
}

/// What is compared of a tag.
fn opaque_part(tag: &[u8], weak: bool) -> &[u8] {
    tag.strip_prefix(b"W/").filter(|_| weak).unwrap_or(tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_evaluated_in_rfc_order() {
        const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
        const LATER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";
        const EARLIER: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
        use Precondition::{Failed, NotModified, Send};
        for (lines, dates, expected) in [
            (&[][..], IfModifiedSince::Exact, Send),
            (&[("If-None-Match", "\"a\"")], IfModifiedSince::Exact, NotModified),
            (&[("If-None-Match", "W/\"a\"")], IfModifiedSince::Exact, NotModified),
            (&[("If-None-Match", "\"x\", \"a\"")], IfModifiedSince::Exact, NotModified),
            (&[("If-None-Match", "\"x,y\" , W/\"a\"")], IfModifiedSince::Exact, NotModified),
            (&[("If-None-Match", "*")], IfModifiedSince::Exact, NotModified),
            (&[("If-None-Match", "\"b\"")], IfModifiedSince::Exact, Send),
            (&[("If-None-Match", "a")], IfModifiedSince::Exact, Send),
            (&[("If-None-Match", "\"b\""), ("If-Modified-Since", DATE)], IfModifiedSince::Exact, Send),
            (&[("If-None-Match", "\"a\""), ("If-Modified-Since", EARLIER)], IfModifiedSince::Exact, NotModified),
            (&[("If-Modified-Since", DATE)], IfModifiedSince::Exact, NotModified),
            (&[("If-Modified-Since", LATER)], IfModifiedSince::Exact, Send),
            (&[("If-Modified-Since", LATER)], IfModifiedSince::Before, NotModified),
            (&[("If-Modified-Since", EARLIER)], IfModifiedSince::Before, Send),
            (&[("If-Modified-Since", DATE)], IfModifiedSince::Off, Send),
            (&[("If-Modified-Since", "yesterday")], IfModifiedSince::Exact, Send),
            (&[("If-Match", "\"a\"")], IfModifiedSince::Exact, Send),
            (&[("If-Match", "W/\"a\"")], IfModifiedSince::Exact, Failed),
            (&[("If-Match", "*")], IfModifiedSince::Exact, Send),
            (&[("If-Match", "\"b\"")], IfModifiedSince::Exact, Failed),
            (&[("If-Unmodified-Since", DATE)], IfModifiedSince::Exact, Send),
            (&[("If-Unmodified-Since", EARLIER)], IfModifiedSince::Exact, Failed),
            (&[("If-Match", "\"a\""), ("If-Unmodified-Since", EARLIER)], IfModifiedSince::Exact, Send),
        ] {
            let headers: Headers = lines.iter().copied().collect();
            let own = Validators { tag: Some(b"\"a\""), modified: Some(784_111_777) };
            assert_eq!(evaluate(&headers, own, dates), expected, "{lines:?}");
        }
        let headers: Headers = [("If-Match", "\"a\"")].into_iter().collect();
        let nothing = Validators { tag: None, modified: None };
        assert_eq!(evaluate(&headers, nothing, IfModifiedSince::Exact), Failed);
    }
}
