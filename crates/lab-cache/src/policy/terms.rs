//! How long a response may be used (RFC 9111 §4.2): decided when it is stored, and kept with it.

use lab_http::Headers;

use super::control::{FieldScope, MAX_DELTA, ResponseControl, delta};
use super::date;

/// The heuristic lifetime is this part of the time since the last change (RFC 9111 §4.2.2).
const HEURISTIC_PART: i64 = 10;
/// The longest heuristic lifetime in seconds.
const HEURISTIC_LIMIT: i64 = 24 * 60 * 60;

/// What decides later whether a stored response may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Terms {
    /// When the response arrived, in seconds since 1970.
    pub received: i64,
    /// Its age at that time, in seconds.
    pub initial_age: u32,
    /// The age from which on it is stale, in seconds.
    pub lifetime: u32,
    /// How many seconds it may be used while it is stale and a new one is fetched.
    pub stale_while_revalidate: u32,
    /// How many seconds it may be used while it is stale and a new one cannot be fetched.
    pub stale_if_error: u32,
    /// Whether it must be validated before each use.
    pub is_validated_always: bool,
    /// Whether it must not be used while it is stale, whatever the configuration or the client allows.
    pub is_never_stale: bool,
}

/// A response as it arrived, with the times of its exchange.
#[derive(Debug, Clone, Copy)]
pub struct ReceivedResponse<'r> {
    pub status: u16,
    pub fields: &'r Headers,
    /// When the request was sent, in seconds since 1970.
    pub requested: i64,
    /// When the head arrived.
    pub received: i64,
}

/// What the configuration adds to the fields of a response.
#[derive(Debug, Clone, Copy, Default)]
pub struct TermRules {
    /// A lifetime that replaces what the fields say (`X-Accel-Expires`).
    pub lifetime: Option<u32>,
    /// The lifetime of a response whose fields say nothing (`proxy_cache_valid`).
    pub default_lifetime: Option<u32>,
    /// Whether `Expires` is ignored.
    pub ignores_expires: bool,
}

/// Where a lifetime comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LifetimeSource {
    /// The response or the configuration names it.
    Explicit,
    /// It was estimated from the time of the last change.
    Heuristic,
    /// Nothing gives one, so the response is stale at once.
    None,
}

/// Decides the terms of a response. `control` is that of its `Cache-Control`, unless that is ignored.
#[must_use]
pub fn terms(response: ReceivedResponse<'_>, control: &ResponseControl, rules: TermRules) -> (Terms, LifetimeSource) {
    let date = date_of(response);
    let (lifetime, source) = lifetime(response, control, rules, date);
    let revalidates = control.must_revalidate || control.proxy_revalidate;
    // s-maxage implies proxy-revalidate (RFC 9111 §5.2.2.10), but a response that names its own exceptions means them
    let has_exceptions = control.stale_while_revalidate.is_some() || control.stale_if_error.is_some();
    let is_never_stale = revalidates || (control.s_maxage.is_some() && !has_exceptions) || control.no_cache.is_whole();
    let exception = |seconds: Option<u32>| seconds.filter(|_| !is_never_stale).unwrap_or(0);
    let terms = Terms {
        received: response.received,
        initial_age: initial_age(response, date),
        lifetime,
        stale_while_revalidate: exception(control.stale_while_revalidate),
        stale_if_error: exception(control.stale_if_error),
        is_validated_always: control.no_cache.is_whole(),
        is_never_stale,
    };
    (terms, source)
}

/// The value of `Date`. Without a valid one the response counts as made when it arrived (RFC 9110 §6.6.1).
fn date_of(response: ReceivedResponse<'_>) -> i64 {
    let date = response.fields.get("date").and_then(|date| date::parse(date, response.received));
    date.unwrap_or(response.received)
}

/// The age of a response when it arrived (RFC 9111 §4.2.3).
fn initial_age(response: ReceivedResponse<'_>, date: i64) -> u32 {
    let apparent = narrow(response.received - date);
    let delay = narrow(response.received - response.requested);
    let corrected = age_field(response.fields).unwrap_or(0).saturating_add(delay);
    apparent.max(corrected).min(MAX_DELTA)
}

/// The first value of `Age`. One that is not a number is ignored (RFC 9111 §5.1).
fn age_field(fields: &Headers) -> Option<u32> {
    let first = fields.get("age")?.split(|&byte| byte == b',').next()?;
    delta(first.trim_ascii())
}

fn lifetime(
    response: ReceivedResponse<'_>,
    control: &ResponseControl,
    rules: TermRules,
    date: i64,
) -> (u32, LifetimeSource) {
    let fields = response.fields;
    if let Some(seconds) = rules.lifetime.or(control.s_maxage).or(control.max_age) {
        return (seconds, LifetimeSource::Explicit);
    }
    if !rules.ignores_expires && fields.contains("expires") {
        // the earliest of several, and the past for an invalid one (RFC 9111 §4.2.1, §5.3)
        let times = fields.get_all("expires").map(|value| date::parse(value, response.received).unwrap_or(i64::MIN));
        let lifetime = times.map(|time| narrow(time.saturating_sub(date))).min().unwrap_or(0);
        return (lifetime, LifetimeSource::Explicit);
    }
    if let Some(seconds) = rules.default_lifetime {
        return (seconds, LifetimeSource::Explicit);
    }
    if is_heuristically_cacheable(response.status) || control.public {
        let modified = fields.get("last-modified").and_then(|value| date::parse(value, response.received));
        if let Some(modified) = modified.filter(|modified| *modified < date) {
            return (narrow(((date - modified) / HEURISTIC_PART).min(HEURISTIC_LIMIT)), LifetimeSource::Heuristic);
        }
    }
    (0, LifetimeSource::None)
}

/// Whether a lifetime may be estimated for this status (RFC 9110 §15.1). 206 is left out, because parts are not stored.
#[must_use]
pub fn is_heuristically_cacheable(status: u16) -> bool {
    matches!(status, 200 | 203 | 204 | 300 | 301 | 308 | 404 | 405 | 410 | 414 | 501)
}

impl Terms {
    /// The current age in seconds (RFC 9111 §4.2.3).
    #[must_use]
    pub fn age(&self, now: i64) -> u32 {
        self.initial_age.saturating_add(narrow(now - self.received)).min(MAX_DELTA)
    }

    /// For how many seconds the response is fresh; negative once it is stale.
    #[must_use]
    pub fn remaining(&self, now: i64) -> i64 {
        i64::from(self.lifetime) - i64::from(self.age(now))
    }

    /// How many seconds the response has been stale; none while it is fresh.
    #[must_use]
    pub fn staleness(&self, now: i64) -> Option<u32> {
        self.age(now).checked_sub(self.lifetime)
    }

    /// Makes the response stale from now on.
    pub fn expire(&mut self) {
        self.lifetime = 0;
    }
}

/// Seconds as the protocol counts them. Negative numbers are 0.
fn narrow(seconds: i64) -> u32 {
    u32::try_from(seconds.clamp(0, i64::from(MAX_DELTA))).unwrap_or(MAX_DELTA)
}

/// The fields of a response that must not be stored (RFC 9111 §3.1, §5.2.2.4, §5.2.2.7), beside those of the hop.
#[must_use]
pub fn is_left_out(control: &ResponseControl, name: &[u8]) -> bool {
    const OF_PROXIES: [&[u8]; 3] = [b"proxy-authenticate", b"proxy-authentication-info", b"proxy-authorization"];
    let is_scoped = |scope: &FieldScope| scope.contains(name);
    OF_PROXIES.iter().any(|own| name.eq_ignore_ascii_case(own))
        || is_scoped(&control.no_cache)
        || is_scoped(&control.private)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Wed, 30 Nov 2025 10:53:20 GMT
    const NOW: i64 = 1_764_500_000;

    fn date(seconds: i64) -> String {
        let text = lab_http::message::date::of(u64::try_from(NOW + seconds).unwrap());
        String::from_utf8(text.to_vec()).unwrap()
    }

    /// The lifetime, its source and the initial age of a response with these fields; `@N` is the date N seconds from now.
    fn decide(status: u16, lines: &[(&str, &str)], rules: TermRules) -> (u32, LifetimeSource, u32) {
        let value = |value: &str| match value.strip_prefix('@') {
            Some(seconds) => date(seconds.parse().unwrap()),
            None => value.to_owned(),
        };
        let fields: Headers = lines.iter().map(|(name, text)| (*name, value(text))).collect();
        let response = ReceivedResponse { status, fields: &fields, requested: NOW - 2, received: NOW };
        let (terms, source) = terms(response, &ResponseControl::parse(&fields), rules);
        (terms.lifetime, source, terms.initial_age)
    }

    #[test]
    fn lifetimes_of_responses() {
        use LifetimeSource::{Explicit, Heuristic, None as Nothing};
        for (lines, lifetime, source) in [
            (&[][..], 0, Nothing),
            (&[("Cache-Control", "max-age=60")], 60, Explicit),
            (&[("Cache-Control", "max-age=60, s-maxage=5")], 5, Explicit),
            (&[("Cache-Control", "s-maxage=0, max-age=60")], 0, Explicit),
            (&[("Cache-Control", "max-age=60"), ("Expires", "@-100")], 60, Explicit),
            (&[("Cache-Control", "max-age=0"), ("Expires", "@100")], 0, Explicit),
            (&[("Cache-Control", "max-age=x"), ("Expires", "@100")], 0, Explicit),
            (&[("Expires", "@100")], 100, Explicit),
            (&[("Expires", "@100"), ("Date", "@-10")], 110, Explicit),
            (&[("Expires", "@100"), ("Date", "yesterday")], 100, Explicit),
            (&[("Expires", "@-1")], 0, Explicit),
            (&[("Expires", "0")], 0, Explicit),
            (&[("Expires", "@100"), ("Expires", "@50")], 50, Explicit),
            (&[("Expires", "@100"), ("Expires", "0")], 0, Explicit),
            (&[("Expires", "@5000000000")], MAX_DELTA, Explicit),
            (&[("Last-Modified", "@-1000")], 100, Heuristic),
            (&[("Last-Modified", "@-1000"), ("Date", "@-500")], 50, Heuristic),
            (&[("Last-Modified", "@-100000000")], 86_400, Heuristic),
            (&[("Last-Modified", "@10")], 0, Nothing),
            (&[("Last-Modified", "long ago")], 0, Nothing),
        ] {
            let (found, found_source, _) = decide(200, lines, TermRules::default());
            assert_eq!((found, found_source), (lifetime, source), "{lines:?}");
        }
    }

    #[test]
    fn lifetime_is_estimated_only_where_allowed() {
        let modified = [("Last-Modified", "@-1000")];
        let public = [("Last-Modified", "@-1000"), ("Cache-Control", "public")];
        for status in [200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501] {
            assert_eq!(decide(status, &modified, TermRules::default()).1, LifetimeSource::Heuristic, "{status}");
        }
        for status in [201, 206, 302, 303, 307, 400, 403, 500, 502, 503, 504, 599] {
            assert_eq!(decide(status, &modified, TermRules::default()).1, LifetimeSource::None, "{status}");
            assert_eq!(decide(status, &public, TermRules::default()).1, LifetimeSource::Heuristic, "{status}");
        }
    }

    #[test]
    fn configuration_precedes_or_follows_the_fields() {
        let control = [("Cache-Control", "max-age=60"), ("Expires", "@100")];
        let replaced = TermRules { lifetime: Some(7), ..TermRules::default() };
        assert_eq!(decide(200, &control, replaced).0, 7);
        let default = TermRules { default_lifetime: Some(9), ..TermRules::default() };
        assert_eq!(decide(200, &control, default).0, 60);
        assert_eq!(decide(200, &control[1..], default).0, 100);
        assert_eq!(decide(200, &[("Last-Modified", "@-1000")], default).0, 9);
        let ignored = TermRules { ignores_expires: true, ..default };
        assert_eq!(decide(200, &control[1..], ignored).0, 9);
    }

    #[test]
    fn ages_on_arrival() {
        // the exchange took two seconds, which count where an age was received
        for (lines, expected) in [
            (&[][..], 2),
            (&[("Date", "@0")], 2),
            (&[("Date", "@-30")], 30),
            (&[("Date", "@30")], 2),
            (&[("Age", "7200")], 7202),
            (&[("Age", "7200"), ("Date", "@-9000")], 9000),
            (&[("Age", "10, 20")], 12),
            (&[("Age", "10"), ("Age", "20")], 12),
            (&[("Age", "10a")], 2),
            (&[("Age", "-10")], 2),
            (&[("Age", "10.5")], 2),
            (&[("Age", "99999999999")], MAX_DELTA),
        ] {
            assert_eq!(decide(200, lines, TermRules::default()).2, expected, "{lines:?}");
        }
    }

    #[test]
    fn responses_become_stale_at_their_lifetime() {
        let terms = Terms { received: NOW, initial_age: 10, lifetime: 60, ..Terms::default() };
        for (later, age, staleness) in [(0, 10, None), (49, 59, None), (50, 60, Some(0)), (55, 65, Some(5))] {
            assert_eq!((terms.age(NOW + later), terms.staleness(NOW + later)), (age, staleness), "{later}");
        }
        // the clock was set back
        assert_eq!(terms.age(NOW - 1000), 10);
    }

    #[test]
    fn exceptions_yield_to_explicit_revalidation() {
        for (value, while_revalidate, if_error, is_never_stale) in [
            ("max-age=1, stale-while-revalidate=5, stale-if-error=6", 5, 6, false),
            ("s-maxage=1, stale-while-revalidate=5", 5, 0, false),
            ("s-maxage=1", 0, 0, true),
            ("max-age=1, must-revalidate, stale-if-error=6", 0, 0, true),
            ("max-age=1, proxy-revalidate, stale-while-revalidate=5", 0, 0, true),
            ("max-age=1, no-cache, stale-if-error=6", 0, 0, true),
            ("max-age=1, no-cache=a, stale-if-error=6", 0, 6, false),
            ("max-age=1", 0, 0, false),
        ] {
            let fields: Headers = [("Cache-Control", value)].into_iter().collect();
            let response = ReceivedResponse { status: 200, fields: &fields, requested: NOW, received: NOW };
            let (terms, _) = terms(response, &ResponseControl::parse(&fields), TermRules::default());
            let found = (terms.stale_while_revalidate, terms.stale_if_error, terms.is_never_stale);
            assert_eq!(found, (while_revalidate, if_error, is_never_stale), "{value}");
        }
    }
}
