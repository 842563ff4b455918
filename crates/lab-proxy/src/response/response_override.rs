//! Replacements for an upstream's response.

use lab_http::Headers;
use lab_http::h1::connection::is_nominated;

use crate::config::proxy::pass::ProxyPass;
use crate::context::RequestContext;
use crate::eval::Scope;
use crate::response::Head;
use crate::response::accel::AccelHeaders;
use crate::routing::route::ErrorPages;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ResponseOverride {
    pub(crate) substitute: Substitute,
    /// Fields of the replaced response that the client still gets.
    pub(crate) kept: Headers,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Substitute {
    /// The page for a status, or its `error_page`.
    Page(u16),
    /// `X-Accel-Redirect`: the response of this path or named location.
    Path(Vec<u8>),
    /// The response of the request itself, after a subrequest with this status has decided on access.
    Authorized(u16),
}

impl ResponseOverride {
    /// The page for a status, with nothing kept.
    pub(crate) fn page(status: u16) -> ResponseOverride {
        ResponseOverride { substitute: Substitute::Page(status), kept: Headers::new() }
    }

    /// Decides whether `proxy_intercept_errors` or `X-Accel-Redirect` replaces an upstream's response.
    pub(crate) fn decide(
        context: &RequestContext<'_>,
        pass: &ProxyPass,
        head: &Head,
        accel: &AccelHeaders<'_>,
    ) -> Option<ResponseOverride> {
        let rules = context.config();
        let has_page = || context.route.error_pages != ErrorPages::Used && rules.error_page(head.status).is_some();
        if rules.intercept_errors && head.status >= 300 && has_page() {
            return Some(ResponseOverride { kept: kept_of_intercepted(head), ..ResponseOverride::page(head.status) });
        }
        let target = accel.redirect?.to_vec();
        let kept = kept_of_redirect(head.fields(), pass, &context.scope());
        Some(ResponseOverride { substitute: Substitute::Path(target), kept })
    }
}

/// The fields that survive `X-Accel-Redirect`, as in nginx. Accept-Ranges does not: the substitute decides on ranges.
fn kept_of_redirect(fields: &Headers, pass: &ProxyPass, scope: &Scope<'_>) -> Headers {
    const KEPT: [&str; 5] = ["Content-Type", "Set-Cookie", "Content-Disposition", "Cache-Control", "Expires"];
    let mut kept = Headers::new();
    for (name, value) in fields.iter() {
        let is_kept = KEPT.iter().any(|own| name.eq_ignore_ascii_case(own.as_bytes()));
        if !is_kept || is_nominated(fields, name) {
            continue;
        }
        if name.eq_ignore_ascii_case(b"set-cookie") && !pass.cookies.is_empty() {
            kept.push(name, pass.cookies.rewrite(scope, value));
        } else {
            kept.push(name, value);
        }
    }
    kept
}

/// The fields that survive `proxy_intercept_errors`: a 401 is useless without its challenges (RFC 9110 §11.6.1).
fn kept_of_intercepted(head: &Head) -> Headers {
    let challenges = head.fields().get_all("www-authenticate").filter(|_| head.status == 401);
    challenges.map(|challenge| ("WWW-Authenticate", challenge)).collect()
}

#[cfg(test)]
mod tests {
    use lab_http::{ResponseHead, Version};

    use super::*;

    #[test]
    fn intercepted_401_keeps_all_challenges() {
        let mut head = ResponseHead::new(Version::Http11, 401, "");
        for (name, value) in [("WWW-Authenticate", "Basic"), ("A", "b"), ("www-authenticate", "B2")] {
            head.headers.push(name, value);
        }
        let kept = kept_of_intercepted(&Head::received(head));
        assert_eq!(kept.get_all("www-authenticate").collect::<Vec<_>>(), [&b"Basic"[..], b"B2"]);
        assert_eq!(kept.len(), 2);
    }
}
