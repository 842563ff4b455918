//! The rewriting of an upstream's head into the one that the client gets.
//!
//! Pure: it edits a [`Head`] by the configuration and the variables, and writes nothing. The order of fields is nginx's:
//! status, Server, Date, the upstream's fields as they came, the added ones, the connection's.

use lab_http::Headers;
use lab_http::h1::connection::is_nominated;
use lab_http::message::is_bodyless;

use crate::config::location::add_header::AddedFields;
use crate::config::proxy::pass::ProxyPass;
use crate::context::replace_control_characters;
use crate::eval::Scope;
use crate::response::Head;
use crate::response::filters::expires;
use crate::response::head::{product, reason};
use crate::response::redirect::{write_origin, write_target};

/// Rewrites the head of a final response.
pub(crate) fn rewrite(head: &mut Head, pass: &ProxyPass, scope: &Scope<'_>) {
    let rules = &scope.route.location.config;
    if let Some(status) = scope.route.status {
        head.status = status;
        head.reason = Some(reason(status));
    }
    // as in nginx: with `proxy_pass_header Server`, an upstream without the field leaves the response without it
    if pass.hidden.contains(b"server") || (pass.is_uwsgi() && !head.fields().contains("server")) {
        head.server = Some(product(rules.server_tokens));
    }
    let has_type = !scope.route.preserved.is_empty() && head.fields().contains("content-type");
    head.has_own_date = !rewrite_fields(head, pass, scope, &rules.added).contains_date;
    if !scope.route.preserved.is_empty() {
        put_first(head.fields_mut(), kept_fields(scope, !has_type));
    }
    add_fields(head, scope);
    head.connection_fields_here();
}

/// Rewrites the head of an interim response (RFC 9110 §15.2).
pub(crate) fn rewrite_interim(head: &mut Head, pass: &ProxyPass, scope: &Scope<'_>) {
    rewrite_fields(head, pass, scope, &AddedFields::default());
}

/// Rewrites the head of a requested 101, the one response whose Upgrade field concerns the client (RFC 9110 §7.8).
pub(crate) fn rewrite_switching(head: &mut Head, pass: &ProxyPass, scope: &Scope<'_>) {
    head.server = Some(product(scope.route.location.config.server_tokens));
    head.has_own_date = !head.fields().contains("date");
    let mut first = Headers::new();
    first.push("Connection", "upgrade");
    for protocol in head.fields().get_all("upgrade") {
        first.push("Upgrade", protocol);
    }
    rewrite_fields(head, pass, scope, &AddedFields::default());
    put_first(head.fields_mut(), first.iter());
}

/// Adds the fields of `expires`, and appends the lines of `add_header`.
pub(crate) fn add_fields(head: &mut Head, scope: &Scope<'_>) {
    expires::apply(head, scope);
    let status = head.status;
    let pending = Scope { pending: Some((status, head.fields())), ..*scope };
    let lines = scope.route.location.config.added.for_status(status);
    let added: Vec<(&str, Vec<u8>)> = lines.map(|line| (line.name.as_str(), line.value.value(&pending))).collect();
    for (name, mut value) in added {
        if !value.is_empty() {
            replace_control_characters(&mut value);
            head.fields_mut().push(name, value);
        }
    }
    add_user_id(head, scope);
}

/// `userid`
fn add_user_id(head: &mut Head, scope: &Scope<'_>) {
    let Some(userid) = &scope.route.location.config.userid else { return };
    if let Some(cookie) = userid.cookie(scope) {
        head.fields_mut().push("Set-Cookie", cookie);
        if let Some(p3p) = &userid.p3p {
            head.fields_mut().push("P3P", p3p);
        }
    }
}

/// The fields kept from a response that was replaced. Their Content-Type is left out where there is another one.
pub(crate) fn kept_fields<'s>(scope: &Scope<'s>, with_type: bool) -> impl Iterator<Item = (&'s [u8], &'s [u8])> {
    let kept = scope.route.preserved.iter();
    kept.filter(move |(name, _)| with_type || !name.eq_ignore_ascii_case(b"content-type"))
}

/// Inserts lines in front of all others. The text stays one buffer, for the reason phrase lies in it too.
fn put_first<'f>(fields: &mut Headers, first: impl Iterator<Item = (&'f [u8], &'f [u8])>) {
    for (index, (name, value)) in first.enumerate() {
        fields.insert(index, name, value);
    }
}

/// The fields of a head that need attention after the pass over all of them.
#[derive(Default)]
struct Remaining {
    contains_date: bool,
    contains_urls_or_cookies: bool,
}

/// Drops the fields that do not reach the client, and maps `Location`, `Refresh` and `Set-Cookie` to its view.
fn rewrite_fields(head: &mut Head, pass: &ProxyPass, scope: &Scope<'_>, added: &AddedFields) -> Remaining {
    let status = scope.route.status.unwrap_or(head.status);
    let received_status = head.received_status();
    let has_no_length = matches!(status, 100..=199 | 204) || (is_bodyless(status) && !is_bodyless(received_status));
    // as in nginx: a 204 of the configuration, not one of the upstream
    let is_emptied = scope.route.status == Some(204);
    let nominated = nominated(head.fields());
    let mut remaining = Remaining::default();
    // Runs for every field of every response: the tests are ordered so that most fields need two lookups by length.
    head.fields_mut().retain(|name, _| {
        // RFC 9110 §15.5.22: it names the protocols that the client may ask for
        if status == 426 && name.eq_ignore_ascii_case(b"upgrade") {
            return true;
        }
        if pass.hidden.contains(name) || added.replaced.contains(name) {
            return false;
        }
        let is_length = name.len() == 14 && name.eq_ignore_ascii_case(b"content-length");
        if is_length && has_no_length {
            return false;
        }
        if !is_length && nominated.iter().any(|nominated| name.eq_ignore_ascii_case(nominated)) {
            return false;
        }
        if is_emptied && [&b"content-type"[..], b"last-modified"].iter().any(|own| name.eq_ignore_ascii_case(own)) {
            return false;
        }
        match name.len() {
            4 => remaining.contains_date |= name.eq_ignore_ascii_case(b"date"),
            7 => remaining.contains_urls_or_cookies |= name.eq_ignore_ascii_case(b"refresh"),
            8 => remaining.contains_urls_or_cookies |= name.eq_ignore_ascii_case(b"location"),
            10 => remaining.contains_urls_or_cookies |= name.eq_ignore_ascii_case(b"set-cookie"),
            _ => {}
        }
        true
    });
    if remaining.contains_urls_or_cookies {
        rewrite_urls_and_cookies(head, pass, scope);
    }
    remaining
}

/// The names of fields that Connection makes a matter of the hop (RFC 9110 §7.6.1). Mostly there are none.
fn nominated(fields: &Headers) -> Vec<Vec<u8>> {
    let is_option = |option: &[u8]| {
        !option.is_empty() && !option.eq_ignore_ascii_case(b"close") && !option.eq_ignore_ascii_case(b"keep-alive")
    };
    // The usual values are recognised as a whole, before they are split into a list.
    let has_options =
        |value: &[u8]| is_option(value) && value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii).any(is_option);
    if !fields.get_all("connection").any(has_options) {
        return Vec::new();
    }
    fields.iter().filter(|(name, _)| is_nominated(fields, name)).map(|(name, _)| name.to_vec()).collect()
}

fn rewrite_urls_and_cookies(head: &mut Head, pass: &ProxyPass, scope: &Scope<'_>) {
    let fields = head.fields_mut();
    let rewritten: Vec<(usize, Vec<u8>)> = fields
        .iter()
        .enumerate()
        .filter_map(|(index, (name, value))| Some((index, rewrite_value(name, value, pass, scope)?)))
        .collect();
    for (index, value) in rewritten {
        fields.set_value(index, value);
    }
}

fn rewrite_value(name: &[u8], value: &[u8], pass: &ProxyPass, scope: &Scope<'_>) -> Option<Vec<u8>> {
    if name.eq_ignore_ascii_case(b"location") {
        let is_absolute = scope.route.location.config.absolute_redirect;
        return rewrite_redirect(pass, scope, b"", value, is_absolute);
    }
    if name.eq_ignore_ascii_case(b"refresh") {
        let url = value.to_ascii_lowercase().windows(4).position(|window| window == b"url=");
        let (before, url) = value.split_at(url.map_or(value.len(), |start| start + 4));
        return rewrite_redirect(pass, scope, before, url, false);
    }
    let is_cookie = !pass.cookies.is_empty() && name.eq_ignore_ascii_case(b"set-cookie");
    is_cookie.then(|| pass.cookies.rewrite(scope, value))
}

/// The value with its URL as the first matching `proxy_redirect` maps it; none if none matches. As in nginx, a mapped
/// path gets the origin that the client knows, if `is_absolute`.
fn rewrite_redirect(
    pass: &ProxyPass,
    scope: &Scope<'_>,
    before: &[u8],
    url: &[u8],
    is_absolute: bool,
) -> Option<Vec<u8>> {
    let mut rewritten = Vec::new();
    if !pass.redirects.iter().any(|redirect| redirect.rewrite(scope, url, &mut rewritten)) {
        return None;
    }
    let mut value = before.to_vec();
    if is_absolute && rewritten.first() == Some(&b'/') {
        write_origin(scope, &mut value);
    }
    write_target(&rewritten, &mut value);
    Some(value)
}
