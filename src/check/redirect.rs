//! The request that follows a redirect (RFC 9110, section 15.4). Pure.

use std::num::NonZeroU16;

use super::observed::Observed;
use super::session;
use crate::scenario::model::{CheckRequest, RequestBody, TextTemplate};

/// Fields that describe a body, which a redirect to GET leaves out.
const BODY_FIELDS: [&str; 3] = ["Content-Type", "Content-Length", "Transfer-Encoding"];

/// The request that follows a response; None if it is no redirect. Every host is the stack's: its name becomes the `Host` of
/// the request, and the scheme selects the listener.
///
/// # Errors
/// The redirect leads to something that is no HTTP.
#[must_use]
pub fn next_request(request: &CheckRequest, observed: &Observed) -> Option<Result<CheckRequest, String>> {
    let CheckRequest::Composed { method, body, headers, .. } = request else { return None };
    if !matches!(observed.status, 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let location = observed.lines("location").next()?;
    let base = session::url(request)?;
    let no_http = || Some(Err(format!("the redirect leads to `{location}`, which is no HTTP")));
    let Ok(url) = base.join(location) else { return no_http() };
    let Some(host) = url.host_str().filter(|_| matches!(url.scheme(), "http" | "https")) else { return no_http() };
    let is_other_host = base.host_str() != Some(host) || location.contains("://");
    // Browsers change POST to GET, and 303 does so by definition.
    let is_get = observed.status == 303 || (matches!(observed.status, 301 | 302) && method == "POST");
    let method = if is_get && method != "HEAD" { "GET" } else { method };
    let body = if is_get { RequestBody::default() } else { body.clone() };
    let is_left_out = |name: &str| {
        let is = |other: &str| name.eq_ignore_ascii_case(other);
        // The session adds the cookies for the new place.
        is("cookie")
            || (is_other_host && is("host"))
            || (base.host_str() != Some(host) && is("authorization"))
            || (is_get && BODY_FIELDS.iter().any(|field| is(field)))
    };
    let mut headers: Vec<_> = headers.iter().filter(|(name, _)| !is_left_out(name)).cloned().collect();
    if is_other_host {
        let authority = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        headers.insert(0, ("Host".to_owned(), TextTemplate::literal(authority)));
    }
    let target = url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()));
    let mut next = request.clone();
    if let CheckRequest::Composed {
        method: next_method,
        target: next_target,
        headers: fields,
        body: content,
        times,
        tls,
        slow,
        ..
    } = &mut next
    {
        method.clone_into(next_method);
        *next_target = TextTemplate::literal(target);
        *fields = headers;
        *content = body;
        *times = NonZeroU16::MIN;
        *tls = url.scheme() == "https";
        *slow = None;
    }
    Some(Ok(next))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn post() -> CheckRequest {
        let mut request = CheckRequest::get("/account/login?next=1");
        if let CheckRequest::Composed { method, headers, body, .. } = &mut request {
            "POST".clone_into(method);
            *headers =
                [("Host", "example.org"), ("Content-Type", "text/plain"), ("X-A", "1"), ("Authorization", "Basic x")]
                    .map(|(name, value)| (name.to_owned(), TextTemplate::literal(value)))
                    .to_vec();
            *body = RequestBody::Text(TextTemplate::literal("a"));
        }
        request
    }

    /// Method, target, header lines and scheme of the request that follows.
    fn next(status: u16, location: &str) -> Option<Result<String, String>> {
        let observed = Observed {
            status,
            reason: String::new(),
            headers: vec![("location".to_owned(), location.to_owned())],
            body: String::new(),
            is_binary: false,
            framing_error: None,
            conditional: Vec::new(),
        };
        let shown = |request: CheckRequest| {
            let CheckRequest::Composed { method, target, headers, body, tls, .. } = request else { unreachable!() };
            let names: Vec<String> = headers.iter().map(|(name, value)| format!("{name}={}", value.source())).collect();
            let scheme = if tls { "https" } else { "http" };
            let body = if body.is_none() { "" } else { " with body" };
            format!("{method} {scheme} {} [{}]{body}", target.source(), names.join(" "))
        };
        next_request(&post(), &observed).map(|next| next.map(shown))
    }

    #[test]
    fn next_request_follows_the_location() {
        for (status, location, expected) in [
            (302, "home", "GET http /account/home [Host=example.org X-A=1 Authorization=Basic x]"),
            (303, "/a?b=c#d", "GET http /a?b=c [Host=example.org X-A=1 Authorization=Basic x]"),
            (
                308,
                "https://example.org/login",
                "POST https /login [Host=example.org Content-Type=text/plain X-A=1 Authorization=Basic x] with body",
            ),
            (301, "http://www.example.org:8080/", "GET http / [Host=www.example.org:8080 X-A=1]"),
        ] {
            assert_eq!(next(status, location), Some(Ok(expected.to_owned())), "{status} {location}");
        }
    }

    #[test]
    fn other_responses_are_no_redirects() {
        assert_eq!(next(200, "/a"), None);
        assert_eq!(next(304, "/a"), None);
        assert!(matches!(next(302, "mailto:a@example.org"), Some(Err(_))));
    }
}
