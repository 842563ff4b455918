//! The state that the requests of a sequence share: a cookie jar and extracted values. Pure.

use cookie_store::CookieStore;
use lab_load::wire::{Extraction, Values};
use url::Url;

use super::content_coding;
use super::observed::Observed;
use crate::scenario::model::{CheckRequest, Placeholders, TextTemplate};

/// The host of a request without a `Host` line, whose own is the stack's address. Cookies are for this host alone.
const DEFAULT_HOST: &str = "127.0.0.1";

#[derive(Debug, Default)]
pub struct Session {
    cookies: CookieStore,
    values: Values,
}

impl Session {
    /// The request with the session's values filled in and its cookies added. A `Cookie` line of the request stays alone.
    #[must_use]
    pub fn prepare(&self, request: &CheckRequest) -> CheckRequest {
        let mut request = request.with_values(&self.values);
        let url = url(&request);
        if let (CheckRequest::Composed { headers, .. }, Some(url)) = (&mut request, url) {
            // The store takes loopback for secure, but the deployment will not be on it.
            let is_secure = url.scheme() == "https";
            let matching = self.cookies.matches(&url).into_iter();
            let sendable = matching.filter(|cookie| is_secure || cookie.secure() != Some(true));
            let cookies: Vec<String> = sendable.map(|cookie| format!("{}={}", cookie.name(), cookie.value())).collect();
            let is_given = headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("cookie"));
            if !is_given && !cookies.is_empty() {
                headers.push(("Cookie".to_owned(), TextTemplate::literal(cookies.join("; "))));
            }
        }
        request
    }

    /// Stores the cookies of a response.
    pub fn store_cookies(&mut self, request: &CheckRequest, observed: &Observed) {
        let Some(url) = url(request) else { return };
        for line in observed.lines("set-cookie") {
            // As in a browser, invalid cookies and those for another host are left out.
            let _ = self.cookies.parse(line, &url);
        }
    }

    /// Stores the values that a response has for later steps.
    ///
    /// # Errors
    /// The names of the values that it does not have.
    pub fn extract(&mut self, extractions: &[Extraction], observed: &Observed) -> Result<(), Vec<String>> {
        let lines = |name: &str| observed.lines(name).map(str::to_owned).collect();
        let decoded = content_coding::decoded(observed);
        let body = match &decoded {
            Ok(Some(content)) => &content.text,
            Ok(None) | Err(_) => &observed.body,
        };
        let mut missing = Vec::new();
        for extraction in extractions {
            match extraction.find(&lines, body) {
                Some(value) => {
                    self.values.insert(extraction.name.clone(), value);
                }
                None => missing.push(extraction.name.clone()),
            }
        }
        if missing.is_empty() { Ok(()) } else { Err(missing) }
    }

    #[must_use]
    pub fn values(&self) -> &Values {
        &self.values
    }
}

/// The URL of a composed request, with the host of its `Host` line.
#[must_use]
pub(super) fn url(request: &CheckRequest) -> Option<Url> {
    let CheckRequest::Composed { target, headers, tls, .. } = request else { return None };
    let values = Placeholders::new("", DEFAULT_HOST, 80);
    let host = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("host"));
    let host = host.map_or_else(|| DEFAULT_HOST.to_owned(), |(_, value)| value.fill(&values));
    let scheme = if *tls { "https" } else { "http" };
    Url::parse(&format!("{scheme}://{host}{}", target.fill(&values))).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn observed(cookies: &[&str], body: &str) -> Observed {
        Observed {
            status: 200,
            reason: "OK".to_owned(),
            headers: cookies.iter().map(|line| ("Set-Cookie".to_owned(), (*line).to_owned())).collect(),
            body: body.to_owned(),
            is_binary: false,
            framing_error: None,
            conditional: Vec::new(),
        }
    }

    /// The `Cookie` line of a request for `path`.
    fn cookies(session: &Session, path: &str, is_tls: bool) -> Option<String> {
        let mut request = CheckRequest::get(path);
        if let CheckRequest::Composed { tls, .. } = &mut request {
            *tls = is_tls;
        }
        let CheckRequest::Composed { headers, .. } = session.prepare(&request) else { unreachable!() };
        headers.iter().find(|(name, _)| name == "Cookie").map(|(_, value)| value.source())
    }

    #[test]
    fn cookies_are_sent_back_where_they_belong() {
        let mut session = Session::default();
        let set =
            ["id=1; Path=/; HttpOnly", "admin=2; Path=/admin", "safe=3; Secure; Path=/", "other=4; Domain=example.org"];
        session.store_cookies(&CheckRequest::get("/login"), &observed(&set, ""));
        assert_eq!(cookies(&session, "/", false).as_deref(), Some("id=1"));
        let with_tls = cookies(&session, "/", true).unwrap();
        assert!(with_tls.contains("id=1") && with_tls.contains("safe=3"), "{with_tls}");
        assert!(cookies(&session, "/admin/users", false).unwrap().contains("admin=2"));
        session.store_cookies(&CheckRequest::get("/logout"), &observed(&["id=; Path=/; Max-Age=0"], ""));
        assert_eq!(cookies(&session, "/", false), None);
    }

    #[test]
    fn extracted_values_are_filled_in() {
        use lab_load::wire::{Pattern, ValueSource};
        let matches = Some(Pattern::try_from("token=(\\w+)".to_owned()).unwrap());
        let extraction = Extraction { name: "token".to_owned(), from: ValueSource::Body, matches };
        let mut session = Session::default();
        let missing = session.extract(std::slice::from_ref(&extraction), &observed(&[], "nothing"));
        assert_eq!(missing, Err(vec!["token".to_owned()]));
        session.extract(&[extraction], &observed(&[], "a token=t0k3n;")).unwrap();
        assert_eq!(session.values()["token"], "t0k3n");
    }
}
