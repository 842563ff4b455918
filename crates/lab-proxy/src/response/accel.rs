//! What an upstream tells its proxy: `X-Accel-Redirect`, `X-Accel-Buffering`, `X-Accel-Limit-Rate`,
//! `X-Accel-Charset`; and what a client gets in place of an answer, if it does not get the answer itself.
//!
//! Pure: the head of an answer and its settings in, what they ask for out.

use lab_http::connection::is_nominated;
use lab_http::{Headers, ResponseHead};

use crate::config::proxy::pass::ProxyPass;
use crate::eval::Scope;
use lab_nginx_conf::parse_number;

/// What the fields of an answer ask for, those of `proxy_ignore_headers` left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Orders<'h> {
    /// `X-Accel-Redirect`: a path or a named location to answer from; of several the first.
    pub redirect: Option<&'h [u8]>,
    /// `X-Accel-Buffering: yes` or `no`, instead of `proxy_buffering`.
    pub buffering: Option<bool>,
    /// `X-Accel-Limit-Rate`: so many bytes a second the client gets at most; 0 for no bound.
    pub rate: Option<u64>,
    /// `X-Accel-Charset`: as in an nginx without `charset`, all that comes of it is a line in the error log.
    pub charset: Option<&'h [u8]>,
}

/// In place of an upstream's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instead {
    /// What the client gets.
    pub by: Substitute,
    /// The fields of the answer that the client gets all the same.
    pub kept: Headers,
}

/// What stands in for an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Substitute {
    /// `proxy_intercept_errors`: the `error_page` of a status.
    Page(u16),
    /// `X-Accel-Redirect`: what this path, or this named location, is answered with.
    Path(Vec<u8>),
}

/// Reads the orders in an answer.
#[must_use]
pub fn orders<'h>(head: &'h ResponseHead, pass: &ProxyPass) -> Orders<'h> {
    const PREFIX: &[u8] = b"x-accel-";
    let mut orders = Orders::default();
    for (name, value) in head.headers.iter() {
        let Some((start, rest)) = name.split_at_checked(PREFIX.len()) else { continue };
        if !start.eq_ignore_ascii_case(PREFIX) || pass.ignored.contains(name) {
            continue;
        }
        match rest.to_ascii_lowercase().as_slice() {
            b"redirect" => _ = orders.redirect.get_or_insert(value),
            b"buffering" if value.eq_ignore_ascii_case(b"yes") => orders.buffering = Some(true),
            b"buffering" if value.eq_ignore_ascii_case(b"no") => orders.buffering = Some(false),
            b"limit-rate" => {
                let rate = std::str::from_utf8(value).ok().and_then(parse_number);
                orders.rate = rate.or(orders.rate);
            }
            b"charset" => orders.charset = Some(value),
            _ => {}
        }
    }
    orders
}

/// The fields that survive `X-Accel-Redirect`, as in nginx; but not Accept-Ranges, for what is answered instead decides
/// on that.
#[must_use]
pub fn kept_of_redirect(head: &ResponseHead, pass: &ProxyPass, scope: &Scope<'_>) -> Headers {
    const KEPT: [&str; 5] = ["Content-Type", "Set-Cookie", "Content-Disposition", "Cache-Control", "Expires"];
    let mut kept = Headers::new();
    for (name, value) in head.headers.iter() {
        let is_kept = KEPT.iter().any(|own| name.eq_ignore_ascii_case(own.as_bytes()));
        if !is_kept || is_nominated(&head.headers, name) {
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

/// The fields that survive `proxy_intercept_errors`: a 401 is of no use without its challenges (RFC 9110 §11.6.1).
#[must_use]
pub fn kept_of_intercepted(head: &ResponseHead) -> Headers {
    let challenges = head.headers.get_all("www-authenticate").filter(|_| head.status == 401);
    challenges.map(|challenge| ("WWW-Authenticate", challenge)).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use lab_http::Version;

    use super::*;
    use crate::read_configuration_text;

    fn head(lines: &[(&str, &str)]) -> ResponseHead {
        let mut head = ResponseHead::new(Version::Http11, 401, "");
        lines.iter().for_each(|(name, value)| head.headers.push(name, value));
        head
    }

    #[test]
    fn orders_are_obeyed_unless_they_are_to_be_ignored() {
        let text = "events { } http { server { listen 127.0.0.1:1; location / { proxy_pass http://127.0.0.1:2; \
                    proxy_ignore_headers X-Accel-Charset; } } }";
        let settings = read_configuration_text(text, Path::new("nginx.conf")).unwrap();
        let pass = settings.servers[0].locations().all()[0].pass.as_ref().unwrap();
        let answer = head(&[
            ("x-accel-redirect", "/a"),
            ("X-Accel-Redirect", "/b"),
            ("X-Accel-Buffering", "YES"),
            ("X-Accel-Buffering", "perhaps"),
            ("X-Accel-Limit-Rate", "10"),
            ("X-Accel-Limit-Rate", "1k"),
            ("X-Accel-Charset", "utf-8"),
            ("X-Accel", "yes"),
        ]);
        let expected = Orders { redirect: Some(b"/a"), buffering: Some(true), rate: Some(10), charset: None };
        assert_eq!(orders(&answer, pass), expected);
        assert_eq!(orders(&head(&[("Server", "x")]), pass), Orders::default());
    }

    #[test]
    fn a_401_keeps_all_its_challenges() {
        let kept = kept_of_intercepted(&head(&[("WWW-Authenticate", "Basic"), ("A", "b"), ("www-authenticate", "B2")]));
        assert_eq!(kept.get_all("www-authenticate").collect::<Vec<_>>(), [&b"Basic"[..], b"B2"]);
        assert_eq!(kept.len(), 2);
    }
}
