//! Whether a stored response may be used for a request (RFC 9111 §4, §5.2.1).

use super::control::{MAX_DELTA, RequestControl};
use super::terms::Terms;

/// What may be done with a stored response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reuse {
    /// It is used.
    Fresh,
    /// It is used, although it is stale: the client accepts that.
    Stale,
    /// It is used, although it is stale, and a new response is fetched meanwhile.
    WhileRevalidating,
    /// It must be validated first.
    Validate,
}

/// Decides whether a stored response may be used without a request to the upstream.
#[must_use]
pub fn decide(terms: &Terms, request: &RequestControl, now: i64) -> Reuse {
    if terms.is_validated_always || request.no_cache {
        return Reuse::Validate;
    }
    let age = terms.age(now);
    // with `max-age=0` a client demands a validation, also within the second in which the response was stored
    let is_too_old = request.max_age.is_some_and(|limit| age > limit || limit == 0);
    let Some(staleness) = terms.staleness(now) else {
        let left = terms.lifetime - age;
        let is_too_stale = request.min_fresh.is_some_and(|wanted| left < wanted);
        return if is_too_old || is_too_stale { Reuse::Validate } else { Reuse::Fresh };
    };
    if is_too_old || request.min_fresh.is_some() {
        return Reuse::Validate;
    }
    if terms.stale_while_revalidate > staleness {
        return Reuse::WhileRevalidating;
    }
    let accepts = request.max_stale.is_some_and(|limit| limit == MAX_DELTA || staleness <= limit);
    if accepts && !terms.is_never_stale { Reuse::Stale } else { Reuse::Validate }
}

/// Whether a stored response may be used because a new one cannot be had: by its `stale-if-error` (RFC 5861 §4), or if
/// the configuration or the client allows stale responses.
#[must_use]
pub fn may_use_after_error(terms: &Terms, request: &RequestControl, is_allowed: bool, now: i64) -> bool {
    if terms.is_never_stale {
        return false;
    }
    let if_error = terms.stale_if_error.max(request.stale_if_error.unwrap_or(0));
    let Some(staleness) = terms.staleness(now) else {
        // a fresh one was to be validated only because the client asked for that
        return is_allowed || if_error > 0;
    };
    let accepts = request.max_stale.is_some_and(|limit| limit == MAX_DELTA || staleness <= limit);
    is_allowed || accepts || if_error > staleness
}

#[cfg(test)]
mod tests {
    use lab_http::Headers;

    use super::*;

    const NOW: i64 = 1_764_500_000;

    fn control(value: &str) -> RequestControl {
        let fields: Headers = [("Cache-Control", value)].into_iter().collect();
        RequestControl::parse(&fields)
    }

    #[test]
    fn clients_restrict_and_extend() {
        use Reuse::{Fresh, Stale, Validate};
        let terms = Terms { received: NOW, lifetime: 60, ..Terms::default() };
        for (later, value, expected) in [
            (0, "", Fresh),
            (59, "", Fresh),
            (60, "", Validate),
            (10, "no-cache", Validate),
            (0, "max-age=0", Validate),
            (10, "max-age=9", Validate),
            (10, "max-age=10", Fresh),
            (10, "min-fresh=50", Fresh),
            (10, "min-fresh=51", Validate),
            (70, "max-stale", Stale),
            (70, "max-stale=10", Stale),
            (71, "max-stale=10", Validate),
            (70, "max-stale, max-age=65", Validate),
            (70, "max-stale, max-age=75", Stale),
            (70, "max-stale, min-fresh=1", Validate),
        ] {
            assert_eq!(decide(&terms, &control(value), NOW + later), expected, "{later} {value}");
        }
    }

    #[test]
    fn stale_response_is_used_while_revalidating() {
        let terms = Terms { received: NOW, lifetime: 60, stale_while_revalidate: 30, ..Terms::default() };
        for (later, value, expected) in [
            (59, "", Reuse::Fresh),
            (60, "", Reuse::WhileRevalidating),
            (89, "", Reuse::WhileRevalidating),
            (90, "", Reuse::Validate),
            (90, "max-stale", Reuse::Stale),
            (70, "no-cache", Reuse::Validate),
            (70, "max-age=1000", Reuse::WhileRevalidating),
            (70, "max-age=65", Reuse::Validate),
        ] {
            assert_eq!(decide(&terms, &control(value), NOW + later), expected, "{later} {value}");
        }
    }

    #[test]
    fn revalidation_cannot_be_skipped() {
        let always = Terms { received: NOW, lifetime: 60, is_validated_always: true, ..Terms::default() };
        assert_eq!(decide(&always, &control(""), NOW), Reuse::Validate);
        assert_eq!(decide(&always, &control("max-stale"), NOW), Reuse::Validate);
        let never_stale = Terms { received: NOW, lifetime: 60, is_never_stale: true, ..Terms::default() };
        assert_eq!(decide(&never_stale, &control(""), NOW), Reuse::Fresh);
        assert_eq!(decide(&never_stale, &control("max-stale"), NOW + 100), Reuse::Validate);
    }

    #[test]
    fn errors_make_stale_responses_usable() {
        let terms = Terms { received: NOW, lifetime: 60, stale_if_error: 30, ..Terms::default() };
        for (later, value, is_allowed, expected) in [
            (70, "", false, true),
            (90, "", false, false),
            (90, "", true, true),
            (90, "max-stale=30", false, true),
            (90, "max-stale=29", false, false),
            (90, "stale-if-error=31", false, true),
            (90, "stale-if-error=30", false, false),
            (70, "stale-if-error=1", false, true),
            (10, "no-cache", false, true),
        ] {
            let found = may_use_after_error(&terms, &control(value), is_allowed, NOW + later);
            assert_eq!(found, expected, "{later} {value} {is_allowed}");
        }
        let never_stale = Terms { is_never_stale: true, ..terms };
        assert!(!may_use_after_error(&never_stale, &control("max-stale"), true, NOW + 70));
    }
}
