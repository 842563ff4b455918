//! Normalisation: replaces what differs from response to response in ordinary applications, so that the rest can be
//! compared. Pure.
//!
//! | part | what is compared |
//! |---|---|
//! | `Expires`, `Expires=` of a cookie | its distance from `Date`; a date more than five years away is kept |
//! | `Set-Cookie` | name and attributes; a value of 16 characters or more is replaced, if it has a digit and no space |
//! | `ETag` | whether it is weak, and that it validates ([`conditional`](super::conditional)) |
//! | `Last-Modified` | that it is there, and that it validates |
//! | `Age`, identifiers of requests and traces | that they are there |
//! | boundary of a multipart body | that it is there |
//! | CSRF token in a form | that it is there |
//! | body with a content coding | its decoded content |
//!
//! `[snapshot] volatile` names further parts.

mod body;
mod cookie;
mod date;

use std::time::SystemTime;

use super::observed::Observed;

/// Fields with an identifier of the request, or with a time that it took.
const IDENTIFIERS: [&str; 14] = [
    "X-Request-Id",
    "Request-Id",
    "X-Correlation-Id",
    "Correlation-Id",
    "X-Trace-Id",
    "X-Amzn-Trace-Id",
    "X-Cloud-Trace-Context",
    "Traceparent",
    "X-B3-TraceId",
    "X-B3-SpanId",
    "X-Runtime",
    "X-Response-Time",
    "X-Process-Time",
    "Server-Timing",
];

/// Replaces the varying parts of a response as it arrived.
#[must_use]
pub fn normalize(observed: &Observed) -> Observed {
    let date = observed.lines("date").next().and_then(|date| httpdate::parse_http_date(date).ok());
    let max_age = observed.lines("cache-control").flat_map(|value| value.split(',')).find_map(|directive| {
        let (name, seconds) = directive.split_once('=')?;
        if name.trim().eq_ignore_ascii_case("max-age") { seconds.trim().parse().ok() } else { None }
    });
    let boundary = observed.lines("content-type").find_map(body::boundary);
    let (content, is_changed) = body::normalize(observed, boundary);
    let headers = observed.headers.iter().map(|(name, value)| {
        let is_length = is_changed && name.eq_ignore_ascii_case("content-length");
        let value = if is_length { "{length}".to_owned() } else { field(name, value, (date, max_age), boundary) };
        (name.clone(), value)
    });
    Observed {
        status: observed.status,
        reason: observed.reason.clone(),
        headers: headers.collect(),
        body: content.text,
        is_binary: content.is_binary,
        framing_error: observed.framing_error.clone(),
        conditional: observed.conditional.clone(),
    }
}

/// The value of a field. `date` is that of the response, with the age in seconds after which `Cache-Control` lets it expire.
fn field(
    name: &str,
    value: &str,
    (date, max_age): (Option<SystemTime>, Option<i64>),
    boundary: Option<&str>,
) -> String {
    let is = |other: &str| name.eq_ignore_ascii_case(other);
    match () {
        () if is("expires") => date::relative(value, date, max_age).unwrap_or_else(|| value.to_owned()),
        () if is("set-cookie") => cookie::normalize(value, date),
        // RFC 9110, section 8.8.3
        () if is("etag") => if value.starts_with("W/") { "W/{etag}" } else { "{etag}" }.to_owned(),
        () if is("last-modified") => "{last-modified}".to_owned(),
        () if is("age") => "{age}".to_owned(),
        () if IDENTIFIERS.iter().any(|known| is(known)) => "{id}".to_owned(),
        () => match boundary {
            Some(boundary) if is("content-type") => value.replace(boundary, body::BOUNDARY),
            _ => value.to_owned(),
        },
    }
}

#[cfg(test)]
mod tests;
