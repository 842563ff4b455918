//! How long nginx keeps a response: `X-Accel-Expires`, `Cache-Control`, `Expires`, `proxy_cache_valid`.

use lab_cache::policy::terms::Terms;
use lab_http::Headers;

use crate::clock::parse_http_date;
use crate::config::proxy::cache::CacheConfig;
use crate::config::proxy::fields::FieldNames;

/// The longest `Vary` of a response that nginx stores.
const VARY_LENGTH: usize = 128;

/// What the fields of a response say about its lifetime.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct FieldTerms {
    /// None if no field gives one.
    lifetime: Option<u32>,
    is_refused: bool,
    stale_while_revalidate: u32,
    stale_if_error: u32,
}

/// Decides the terms of a response as nginx does. None if it is not stored. `ignored` are the fields of
/// `proxy_ignore_headers`.
pub(super) fn terms(
    config: &CacheConfig,
    ignored: &FieldNames,
    status: u16,
    fields: &Headers,
    now: i64,
) -> Option<Terms> {
    let is_refused_by = |name: &str| fields.contains(name) && !ignored.contains(name.as_bytes());
    let is_too_various = |value: &[u8]| value == b"*" || value.len() > VARY_LENGTH;
    let is_refused_by_vary = is_refused_by("vary") && fields.get_all("vary").any(is_too_various);
    if is_refused_by("set-cookie") || is_refused_by_vary {
        return None;
    }
    let found = field_terms(ignored, fields, now);
    let lifetime = match found {
        FieldTerms { is_refused: true, .. } => return None,
        FieldTerms { lifetime: Some(lifetime), .. } => lifetime,
        FieldTerms { lifetime: None, .. } => config.valid_for(status).filter(|lifetime| *lifetime > 0)?,
    };
    Some(found.terms(lifetime, now))
}

/// The terms of a stored response that a 304 with the fields `update` has validated: by those fields, or else by its own.
pub(super) fn updated_terms(
    config: &CacheConfig,
    ignored: &FieldNames,
    (status, fields): (u16, &Headers),
    update: &Headers,
    now: i64,
) -> Option<Terms> {
    let found = field_terms(ignored, update, now);
    match found.lifetime.filter(|_| !found.is_refused) {
        Some(lifetime) => Some(found.terms(lifetime, now)),
        None => terms(config, ignored, status, fields, now),
    }
}

impl FieldTerms {
    fn terms(&self, lifetime: u32, now: i64) -> Terms {
        Terms {
            received: now,
            lifetime,
            stale_while_revalidate: self.stale_while_revalidate,
            stale_if_error: self.stale_if_error,
            ..Terms::default()
        }
    }
}

/// `X-Accel-Expires` prevails over the others, and `Cache-Control` over `Expires`.
fn field_terms(ignored: &FieldNames, fields: &Headers, now: i64) -> FieldTerms {
    let value_of = |name: &'static str| fields.get(name).filter(|_| !ignored.contains(name.as_bytes()));
    let mut terms = FieldTerms::default();
    let control = fields.get_all("cache-control").filter(|_| !ignored.contains(b"cache-control"));
    for line in control {
        read_control(line, &mut terms);
    }
    if terms.lifetime.is_none()
        && !terms.is_refused
        && let Some(expires) = value_of("expires")
    {
        match parse_http_date(expires).map(|time| time - now).filter(|left| *left >= 0) {
            Some(left) => terms.lifetime = Some(u32::try_from(left).unwrap_or(u32::MAX)),
            None => terms.is_refused = true,
        }
    }
    match value_of("x-accel-expires").and_then(|value| accel_expires(value, now)) {
        Some(AccelExpires::Never) => terms.is_refused = true,
        Some(AccelExpires::Lifetime(lifetime)) => (terms.is_refused, terms.lifetime) = (false, Some(lifetime)),
        None => {}
    }
    terms
}

/// `X-Accel-Expires`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AccelExpires {
    /// 0: the response is not stored.
    Never,
    /// In seconds. A response whose time has passed is stored, and stale.
    Lifetime(u32),
}

/// Reads `X-Accel-Expires`: seconds, or a time after `@`. None if it is neither.
pub(super) fn accel_expires(value: &[u8], now: i64) -> Option<AccelExpires> {
    let (text, is_time) = match value.strip_prefix(b"@") {
        Some(time) => (time, true),
        None => (value, false),
    };
    let text = std::str::from_utf8(text).ok().filter(|text| !text.is_empty())?;
    let number: i64 = lab_nginx_conf::parse_number(text)?;
    if number == 0 && !is_time {
        return Some(AccelExpires::Never);
    }
    let seconds = if is_time { (number - now).max(0) } else { number };
    Some(AccelExpires::Lifetime(u32::try_from(seconds).unwrap_or(u32::MAX)))
}

/// Reads `Cache-Control` by searching for words, as nginx does.
fn read_control(line: &[u8], terms: &mut FieldTerms) {
    let text = line.to_ascii_lowercase();
    if ["no-cache", "no-store", "private"].iter().any(|word| position_behind(&text, word).is_some()) {
        terms.is_refused = true;
        return;
    }
    if let Some(start) = position_behind(&text, "s-maxage=").or_else(|| position_behind(&text, "max-age=")) {
        match seconds(&text[start..]) {
            Some(seconds @ 1..) => terms.lifetime = Some(seconds),
            Some(0) | None => {
                terms.is_refused = true;
                return;
            }
        }
    }
    if let Some(start) = position_behind(&text, "stale-while-revalidate=") {
        match seconds(&text[start..]) {
            Some(seconds) => (terms.stale_while_revalidate, terms.stale_if_error) = (seconds, seconds),
            None => terms.is_refused = true,
        }
    }
    if let Some(start) = position_behind(&text, "stale-if-error=") {
        match seconds(&text[start..]) {
            Some(seconds) => terms.stale_if_error = seconds,
            None => terms.is_refused = true,
        }
    }
}

/// The position behind the first occurrence of a word.
fn position_behind(text: &[u8], word: &str) -> Option<usize> {
    memchr::memmem::find(text, word.as_bytes()).map(|start| start + word.len())
}

/// The digits up to a separator. None if there is something else among them.
fn seconds(text: &[u8]) -> Option<u32> {
    let end = text.iter().position(|byte| matches!(byte, b',' | b';' | b' ')).unwrap_or(text.len());
    let digits = &text[..end];
    let is_number = digits.iter().all(u8::is_ascii_digit);
    is_number.then(|| {
        let number =
            digits.iter().fold(0_u64, |number, digit| (number * 10 + u64::from(digit - b'0')).min(u64::from(u32::MAX)));
        u32::try_from(number).unwrap_or(u32::MAX)
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use lab_http::message::date;

    use super::*;
    use crate::read_configuration_text;

    const NOW: i64 = 1_764_500_000;

    /// The lifetime of a response in a location with these directives; `@N` is the date N seconds from now.
    fn lifetime(directives: &str, status: u16, lines: &[(&str, &str)]) -> Option<u32> {
        let text = format!(
            "events {{ }} http {{ proxy_cache_path /a keys_zone=own:1m; server {{ listen 127.0.0.1:1; \
             location / {{ proxy_pass http://127.0.0.1:2; proxy_cache own; {directives} }} }} }}"
        );
        let config = read_configuration_text(&text, Path::new("nginx.conf")).unwrap();
        let pass = config.servers[0].locations().all()[0].pass.as_ref().unwrap();
        let value = |name: &str, value: &str| match value.strip_prefix('@').filter(|_| name == "Expires") {
            Some(seconds) => {
                let time = NOW + seconds.parse::<i64>().unwrap();
                String::from_utf8(date::of(u64::try_from(time).unwrap()).to_vec()).unwrap()
            }
            None => value.to_owned(),
        };
        let fields: Headers = lines.iter().map(|(name, text)| (*name, value(name, text))).collect();
        let found = terms(pass.cache.as_ref().unwrap(), &pass.ignored, status, &fields, NOW);
        found.map(|terms| terms.lifetime)
    }

    #[test]
    fn fields_decide_in_nginx_order() {
        for (lines, expected) in [
            (&[][..], None),
            (&[("Cache-Control", "max-age=60")], Some(60)),
            (&[("Cache-Control", "max-age=60, s-maxage=5")], Some(5)),
            (&[("Cache-Control", "MAX-AGE=60;x")], Some(60)),
            (&[("Cache-Control", "max-age=0")], None),
            (&[("Cache-Control", "max-age=6x")], None),
            (&[("Cache-Control", "private, max-age=60")], None),
            (&[("Cache-Control", "x-no-store-x, max-age=60")], None),
            (&[("Cache-Control", "no-cache"), ("Expires", "@60")], None),
            (&[("Expires", "@60")], Some(60)),
            (&[("Expires", "@-60")], None),
            (&[("Expires", "soon")], None),
            (&[("Cache-Control", "max-age=60"), ("Expires", "@5")], Some(60)),
            (&[("X-Accel-Expires", "7"), ("Cache-Control", "no-store")], Some(7)),
            (&[("X-Accel-Expires", "0"), ("Cache-Control", "max-age=60")], None),
            (&[("X-Accel-Expires", "@1764500009")], Some(9)),
            (&[("X-Accel-Expires", "@1")], Some(0)),
            (&[("X-Accel-Expires", "x"), ("Cache-Control", "max-age=60")], Some(60)),
            (&[("Set-Cookie", "a"), ("Cache-Control", "max-age=60")], None),
            (&[("Vary", "*"), ("Cache-Control", "max-age=60")], None),
            (&[("Vary", "Foo"), ("Cache-Control", "max-age=60")], Some(60)),
        ] {
            assert_eq!(lifetime("", 200, lines), expected, "{lines:?}");
        }
    }

    #[test]
    fn directives_decide_without_fields() {
        let valid = "proxy_cache_valid 200 1m; proxy_cache_valid 404 0;";
        assert_eq!(lifetime(valid, 200, &[]), Some(60));
        assert_eq!(lifetime(valid, 404, &[]), None);
        assert_eq!(lifetime(valid, 500, &[]), None);
        assert_eq!(lifetime(valid, 200, &[("Cache-Control", "max-age=5")]), Some(5));
        let ignored =
            "proxy_cache_valid 1m; proxy_ignore_headers Cache-Control Expires Set-Cookie Vary X-Accel-Expires;";
        for line in [
            ("Cache-Control", "no-store"),
            ("Expires", "@-60"),
            ("Set-Cookie", "a"),
            ("Vary", "*"),
            ("X-Accel-Expires", "0"),
        ] {
            assert_eq!(lifetime(ignored, 200, &[line]), Some(60), "{line:?}");
        }
    }
}
