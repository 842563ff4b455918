//! Conditional requests (RFC 9110, section 13): whether the validators of a response hold. Pure.
//!
//! An `ETag` or a `Last-Modified` is different after every deployment, so facts leave its value out. What counts is that a
//! client that sends it back gets 304 Not Modified.

use std::time::Duration;

use super::observed::Observed;
use crate::scenario::model::{CheckRequest, TextTemplate};

/// The request's fields that carry a condition, and `Range`, which has its own.
const CONDITIONS: [&str; 6] =
    ["If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since", "If-Range", "Range"];

/// The fields of a response that validate, each with the field that sends it back.
const VALIDATORS: [(&str, &str); 2] = [("ETag", "If-None-Match"), ("Last-Modified", "If-Modified-Since")];

/// The conditional requests that the validators of a response allow, each with the name of its field. None for what is no
/// plain GET or HEAD, and for a response other than 200.
#[must_use]
pub fn requests(request: &CheckRequest, observed: &Observed) -> Vec<(&'static str, CheckRequest)> {
    let CheckRequest::Composed { method, headers, .. } = request else { return Vec::new() };
    let is_plain = !headers.iter().any(|(name, _)| CONDITIONS.iter().any(|one| one.eq_ignore_ascii_case(name)));
    if observed.status != 200 || !matches!(method.as_str(), "GET" | "HEAD") || !is_plain {
        return Vec::new();
    }
    let conditional = VALIDATORS.iter().filter_map(|(validator, field)| {
        let value = observed.lines(validator).next()?;
        Some((*field, with_field(request, field, value)))
    });
    conditional.collect()
}

/// The same request with one more field, sent once and without other clients.
fn with_field(request: &CheckRequest, name: &str, value: &str) -> CheckRequest {
    let mut request = request.clone();
    if let CheckRequest::Composed { headers, times, settle, slow, .. } = &mut request {
        headers.push((name.to_owned(), TextTemplate::literal(value)));
        *times = std::num::NonZeroU16::MIN;
        *settle = Duration::ZERO;
        *slow = None;
    }
    request
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU16;

    use super::*;

    fn request(method: &str, headers: &[&str]) -> CheckRequest {
        let mut request = CheckRequest::get("/");
        if let CheckRequest::Composed { method: own, headers: lines, times, .. } = &mut request {
            method.clone_into(own);
            *lines = headers.iter().map(|name| ((*name).to_owned(), TextTemplate::default())).collect();
            *times = NonZeroU16::new(3).unwrap();
        }
        request
    }

    fn response(status: u16) -> Observed {
        let headers = [("etag", "\"a\""), ("Last-Modified", "Mon, 30 Nov 2026 10:00:00 GMT")];
        Observed {
            status,
            reason: String::new(),
            headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
            body: String::new(),
            is_binary: false,
            framing_error: None,
            conditional: Vec::new(),
        }
    }

    #[test]
    fn each_validator_has_its_request() {
        let found = requests(&request("GET", &["Accept"]), &response(200));
        let fields: Vec<&str> = found.iter().map(|(field, _)| *field).collect();
        assert_eq!(fields, ["If-None-Match", "If-Modified-Since"]);
        let CheckRequest::Composed { headers, times, .. } = &found[0].1 else { panic!("{found:?}") };
        assert_eq!((headers[1].0.as_str(), headers[1].1.source().as_str()), ("If-None-Match", "\"a\""));
        assert_eq!(times.get(), 1);
    }

    #[test]
    fn other_exchanges_are_left_alone() {
        for (method, field, status) in [("POST", "Accept", 200), ("GET", "range", 200), ("GET", "Accept", 404)] {
            assert!(requests(&request(method, &[field]), &response(status)).is_empty(), "{method} {field} {status}");
        }
    }
}
