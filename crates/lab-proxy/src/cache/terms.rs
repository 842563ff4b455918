//! Whether and how long a response is stored.

use lab_cache::policy::control::{RequestControl, ResponseControl};
use lab_cache::policy::storage::{self, StorageRequest};
use lab_cache::policy::targeted;
use lab_cache::policy::terms::{self, ReceivedResponse, TermRules, Terms};
use lab_http::Headers;
use lab_http::h1::connection::is_nominated;

use super::nginx_terms::{self, AccelExpires};
use crate::config::proxy::cache::CacheConfig;
use crate::config::proxy::fields::{FieldNames, HOP_BY_HOP};
use crate::config::proxy::pass::ProxyPass;

/// The request of a response.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CachedRequest<'r> {
    pub(crate) fields: &'r Headers,
    pub(crate) control: &'r RequestControl,
    /// When it was sent, in seconds since 1970.
    pub(crate) sent: i64,
    /// Whether it may change its target. Its response then needs a lifetime of its own (RFC 9110 §9.3.3).
    pub(crate) is_change: bool,
    /// Whether it is for a slice, whose range the key names.
    pub(crate) is_for_slice: bool,
}

/// Decides the terms of a response with this status and these fields, which arrived at `now`. None if it is not stored.
pub(crate) fn terms(
    pass: &ProxyPass,
    config: &CacheConfig,
    request: CachedRequest<'_>,
    (status, fields): (u16, &Headers),
    now: i64,
) -> Option<Terms> {
    if !config.follows_rfc {
        return nginx_terms::terms(config, &pass.ignored, status, fields, now);
    }
    let targeted = targeted::control(fields, &config.targeted_fields);
    let is_targeted = targeted.is_some();
    let control = targeted.unwrap_or_else(|| control(&pass.ignored, fields));
    // as in nginx: a cookie is for one client, unless the configuration says that it is not. One that the response excepts
    // is not stored with it.
    let stores_cookie = fields.contains("set-cookie") && !terms::is_left_out(&control, b"set-cookie");
    if stores_cookie && !pass.ignored.contains(b"set-cookie") {
        return None;
    }
    let accel = fields.get("x-accel-expires").filter(|_| !pass.ignored.contains(b"x-accel-expires"));
    let lifetime = match accel.and_then(|value| nginx_terms::accel_expires(value, now)) {
        Some(AccelExpires::Never) => return None,
        Some(AccelExpires::Lifetime(lifetime)) => Some(lifetime),
        None => None,
    };
    let rules = TermRules {
        lifetime,
        default_lifetime: config.valid_for(status),
        ignores_expires: is_targeted || pass.ignored.contains(b"expires"),
    };
    let has_expires = fields.contains("expires") && !rules.ignores_expires;
    let is_explicit = lifetime.is_some() || control.s_maxage.or(control.max_age).is_some() || has_expires;
    if !is_explicit && (request.is_change || rules.default_lifetime == Some(0)) {
        return None;
    }
    let response = ReceivedResponse { status, fields, requested: request.sent, received: now };
    let (terms, source) = terms::terms(response, &control, rules);
    let storage_request =
        StorageRequest { fields: request.fields, control: request.control, is_for_part: request.is_for_slice };
    storage::check(storage_request, status, fields, &control, source).ok()?;
    Some(terms)
}

/// Decides the terms of a stored response that was validated. `fields` are its own, brought up to date if RFC 9111 decides,
/// and `update` those of the 304.
pub(crate) fn updated_terms(
    pass: &ProxyPass,
    config: &CacheConfig,
    request: CachedRequest<'_>,
    (status, fields): (u16, &Headers),
    update: &Headers,
    now: i64,
) -> Option<Terms> {
    match config.follows_rfc {
        true => terms(pass, config, request, (status, fields), now),
        false => nginx_terms::updated_terms(config, &pass.ignored, (status, fields), update, now),
    }
}

/// `Cache-Control` of a response, unless it is ignored.
fn control(ignored: &FieldNames, fields: &Headers) -> ResponseControl {
    match ignored.contains(b"cache-control") {
        true => ResponseControl::default(),
        false => ResponseControl::parse(fields),
    }
}

/// Tells which fields of a response are not stored: those of the hop, and those that the response excepts.
pub(crate) fn left_out<'f>(
    pass: &ProxyPass,
    config: &CacheConfig,
    fields: &'f Headers,
) -> impl Fn(&[u8]) -> bool + use<'f> {
    let control = config.follows_rfc.then(|| {
        let targeted = targeted::control(fields, &config.targeted_fields);
        targeted.unwrap_or_else(|| control(&pass.ignored, fields))
    });
    move |name| {
        HOP_BY_HOP.iter().any(|own| name.eq_ignore_ascii_case(own.as_bytes()))
            || is_nominated(fields, name)
            || control.as_ref().is_some_and(|control| terms::is_left_out(control, name))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::read_configuration_text;

    const NOW: i64 = 1_764_500_000;

    fn lifetime(directives: &str, status: u16, lines: &[(&str, &str)]) -> Option<u32> {
        let text = format!(
            "events {{ }} http {{ proxy_cache_path /a keys_zone=own:1m; server {{ listen 127.0.0.1:1; \
             location / {{ proxy_pass http://127.0.0.1:2; proxy_cache own; {directives} }} }} }}"
        );
        let config = read_configuration_text(&text, Path::new("nginx.conf")).unwrap();
        let pass = config.servers[0].locations().all()[0].pass.as_ref().unwrap();
        let fields: Headers = lines.iter().copied().collect();
        let (none, control) = (Headers::new(), RequestControl::default());
        let request =
            CachedRequest { fields: &none, control: &control, sent: NOW, is_change: false, is_for_slice: false };
        terms(pass, pass.cache.as_ref().unwrap(), request, (status, &fields), NOW).map(|terms| terms.lifetime)
    }

    #[test]
    fn directives_complete_the_fields() {
        let valid = "proxy_cache_valid 200 1m; proxy_cache_valid 404 0;";
        let ignoring = "proxy_cache_valid 1m; proxy_ignore_headers Cache-Control Set-Cookie X-Accel-Expires;";
        for (directives, status, lines, expected) in [
            ("", 200, &[][..], None),
            ("", 200, &[("Cache-Control", "max-age=5")], Some(5)),
            ("", 200, &[("ETag", "\"a\"")], Some(0)),
            ("", 200, &[("Cache-Control", "max-age=5"), ("Set-Cookie", "a")], None),
            ("", 200, &[("Cache-Control", "max-age=5, private=Set-Cookie"), ("Set-Cookie", "a")], Some(5)),
            (valid, 200, &[], Some(60)),
            (valid, 200, &[("Cache-Control", "max-age=5")], Some(5)),
            (valid, 200, &[("X-Accel-Expires", "7"), ("Cache-Control", "max-age=5")], Some(7)),
            (valid, 200, &[("X-Accel-Expires", "0"), ("Cache-Control", "max-age=5")], None),
            (valid, 404, &[("Cache-Control", "max-age=5")], Some(5)),
            (valid, 404, &[], None),
            (ignoring, 200, &[("Cache-Control", "no-store"), ("Set-Cookie", "a"), ("X-Accel-Expires", "0")], Some(60)),
        ] {
            assert_eq!(lifetime(directives, status, lines), expected, "{directives} {status} {lines:?}");
        }
    }

    #[test]
    fn excepted_fields_are_left_out() {
        let text = "events { } http { proxy_cache_path /a keys_zone=own:1m; server { listen 127.0.0.1:1; location / { \
                    proxy_pass http://127.0.0.1:2; proxy_cache own; } } }";
        let config = read_configuration_text(text, Path::new("nginx.conf")).unwrap();
        let pass = config.servers[0].locations().all()[0].pass.as_ref().unwrap();
        let cache = pass.cache.as_ref().unwrap();
        let fields: Headers =
            [("Cache-Control", "private=\"X-A\", no-cache=X-B"), ("Connection", "X-C")].into_iter().collect();
        let names = ["X-A", "x-b", "X-C", "Connection", "Transfer-Encoding", "Proxy-Authenticate", "X-D", "ETag"];
        let is_left_out = left_out(pass, cache, &fields);
        assert_eq!(names.map(|name| is_left_out(name.as_bytes())), [true, true, true, true, true, true, false, false]);
    }
}
