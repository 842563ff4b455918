//! Whether a client may get a response with gzip, or with another content coding.

use std::time::{SystemTime, UNIX_EPOCH};

use lab_http::{Headers, RequestHead, Version};

use crate::clock::parse_http_date;
use crate::config::location::filters::gzip::{GzipConfig, ProxiedRequests};

/// Whether the request accepts gzip, and the configuration allows it for this client. `fields` are those of the response.
pub(crate) fn accepts_gzip(request: &RequestHead, rules: &GzipConfig, fields: &Headers) -> bool {
    let headers = &request.headers;
    let is_old = request.version == Version::Http10 && rules.version == Version::Http11;
    if is_old || !accepts_coding(headers, "gzip") {
        return false;
    }
    if headers.contains("via") && !allows_proxied(headers, rules.proxied, fields) {
        return false;
    }
    let agent = headers.get("user-agent").unwrap_or_default();
    !rules.disabled.iter().any(|pattern| pattern.is_match(agent))
}

/// Whether the request names the content coding, such as `br`.
pub(crate) fn accepts_coding(request: &Headers, coding: &str) -> bool {
    request.get("accept-encoding").is_some_and(|value| names_coding(value, coding.as_bytes()))
}

/// `gzip_proxied`: whether a response to a request that came through a proxy may be compressed.
fn allows_proxied(request: &Headers, rules: ProxiedRequests, fields: &Headers) -> bool {
    if rules.is_off {
        return false;
    }
    if rules.any || (rules.auth && request.contains("authorization")) {
        return true;
    }
    if let Some(expires) = fields.get("expires") {
        let now = match fields.get("date") {
            Some(value) => parse_http_date(value),
            None => SystemTime::now().duration_since(UNIX_EPOCH).ok().map(|now| now.as_secs().cast_signed()),
        };
        return rules.expired && parse_http_date(expires).zip(now).is_some_and(|(expires, now)| expires < now);
    }
    if fields.contains("cache-control") {
        let has = |directive: &str| fields.list_contains("cache-control", directive);
        return (rules.no_cache && has("no-cache"))
            || (rules.no_store && has("no-store"))
            || (rules.private && has("private"));
    }
    let is_excluded =
        (rules.no_last_modified && fields.contains("last-modified")) || (rules.no_etag && fields.contains("etag"));
    !is_excluded
}

/// Whether an `Accept-Encoding` names a coding with a quality above zero. As in nginx, `*` does not count.
fn names_coding(value: &[u8], coding: &[u8]) -> bool {
    value.split(|&byte| byte == b',').any(|item| {
        let mut parts = item.split(|&byte| byte == b';').map(<[u8]>::trim_ascii);
        let is_named = parts.next().is_some_and(|own| own.eq_ignore_ascii_case(coding));
        is_named && parts.next().is_none_or(has_quality)
    })
}

/// Whether a `q=` is valid and above zero (RFC 9110 §12.4.2).
fn has_quality(parameter: &[u8]) -> bool {
    let Some((name, rest)) = parameter.split_first() else { return true };
    let value =
        rest.trim_ascii_start().strip_prefix(b"=").map(<[u8]>::trim_ascii).filter(|_| name.eq_ignore_ascii_case(&b'q'));
    let Some((whole, fraction)) = value.and_then(|value| value.split_first()) else { return false };
    let digits = match fraction {
        [] => &[][..],
        [b'.', digits @ ..] if digits.len() <= 3 && digits.iter().all(u8::is_ascii_digit) => digits,
        _ => return false,
    };
    let has_fraction = digits.iter().any(|digit| *digit != b'0');
    match whole {
        b'0' => has_fraction,
        b'1' => !has_fraction,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_needs_a_quality_above_zero() {
        for (value, expected) in [
            ("gzip", true),
            ("gzip, deflate", true),
            ("deflate, GZIP", true),
            ("deflate,gzip;q=0.5", true),
            ("gzip;q=1.000", true),
            ("gzip; q=0.001", true),
            ("gzip;q=0", false),
            ("gzip;q=0.000", false),
            ("gzip;q=1.5", false),
            ("gzip;x=1", false),
            ("x-gzip", false),
            ("gzipped", false),
            ("*", false),
            ("identity", false),
            ("", false),
        ] {
            assert_eq!(names_coding(value.as_bytes(), b"gzip"), expected, "{value}");
        }
    }
}
