//! All rules together: what a later request gets after a response, with a clock that is passed in.

use lab_http::Headers;
use lab_http::message::date;

use super::control::{RequestControl, ResponseControl};
use super::reuse::{self, Reuse};
use super::storage::{self, StorageRequest};
use super::terms::{self, ReceivedResponse, TermRules};
use super::vary;

const NOW: i64 = 1_764_500_000;

/// What a request gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// The stored response.
    Hit,
    /// The stored response, if the upstream confirms it.
    Validated,
    /// A new one.
    Fetched,
}
use Outcome::{Fetched, Hit, Validated};

type Lines<'l> = &'l [(&'l str, &'l str)];

/// Fields in which `@N` stands for the date N seconds from now.
fn fields(lines: Lines<'_>) -> Headers {
    let value = |text: &str| match text.strip_prefix('@') {
        Some(seconds) => {
            let time = NOW + seconds.parse::<i64>().unwrap();
            String::from_utf8(date::of(u64::try_from(time).unwrap()).to_vec()).unwrap()
        }
        None => text.to_owned(),
    };
    lines.iter().map(|(name, text)| (*name, value(text))).collect()
}

/// The outcome of a request with the fields `second`, `later` seconds after a response to a request with the fields `first`.
fn outcome(first: Lines<'_>, status: u16, response: Lines<'_>, later: i64, second: Lines<'_>) -> Outcome {
    let (first, response, second) = (fields(first), fields(response), fields(second));
    let control = ResponseControl::parse(&response);
    let received = ReceivedResponse { status, fields: &response, requested: NOW, received: NOW };
    let (terms, source) = terms::terms(received, &control, TermRules::default());
    let first_control = RequestControl::parse(&first);
    let request = StorageRequest { fields: &first, control: &first_control, is_for_part: false };
    if storage::check(request, status, &response, &control, source).is_err() {
        return Fetched;
    }
    if let Some(names) = vary::names(&response)
        && vary::variant(&names, &first) != vary::variant(&names, &second)
    {
        return Fetched;
    }
    match reuse::decide(&terms, &RequestControl::parse(&second), NOW + later) {
        Reuse::Fresh | Reuse::Stale | Reuse::WhileRevalidating => Hit,
        Reuse::Validate if response.contains("etag") || response.contains("last-modified") => Validated,
        Reuse::Validate => Fetched,
    }
}

#[track_caller]
fn check(rows: &[(Lines<'_>, i64, Outcome)]) {
    for (response, later, expected) in rows {
        assert_eq!(outcome(&[], 200, response, *later, &[]), *expected, "{response:?} after {later} s");
    }
}

#[test]
fn lifetimes_of_cache_control() {
    check(&[
        (&[], 3, Fetched),
        (&[("Cache-Control", "max-age=3600")], 3, Hit),
        (&[("Cache-Control", "max-age=2")], 3, Fetched),
        (&[("Cache-Control", "max-age=0")], 0, Fetched),
        (&[("Cache-Control", "max-age=2147483647")], 3, Hit),
        (&[("Cache-Control", "max-age=2147483648")], 3, Hit),
        (&[("Cache-Control", "max-age=2147483649")], 3, Hit),
        (&[("Cache-Control", "max-age=99999999999")], 3, Hit),
        (&[("Cache-Control", "max-age=-3600")], 3, Fetched),
        (&[("Cache-Control", "foobar, max-age=3600")], 3, Hit),
        (&[("Cache-Control", "MaX-aGe=3600")], 3, Hit),
        (&[("Cache-Control", "max-age=3600"), ("Date", "@0"), ("Age", "7200")], 3, Fetched),
        (&[("Cache-Control", "max-age=3600"), ("Date", "@-7200")], 3, Fetched),
        (&[("Cache-Control", "max-age=3600"), ("Date", "@0"), ("Expires", "@-7200")], 3, Hit),
        (&[("Cache-Control", "max-age=3600"), ("Date", "@0"), ("Expires", "0")], 3, Hit),
        (&[("Cache-Control", "max-age=0"), ("Date", "@0"), ("Expires", "@3600")], 3, Fetched),
        (&[("Cache-Control", "s-maxage=3600")], 3, Hit),
        (&[("Cache-Control", "max-age=3600, s-maxage=1")], 3, Fetched),
        (&[("Cache-Control", "s-maxage=1, max-age=3600")], 3, Fetched),
        (&[("Cache-Control", "max-age=3600"), ("Cache-Control", "s-maxage=1")], 3, Fetched),
        (&[("Cache-Control", "max-age=1, s-maxage=3600")], 3, Hit),
        (&[("Cache-Control", "max-age=0, s-maxage=3600"), ("Expires", "@-10")], 3, Hit),
    ]);
}

#[test]
fn odd_forms_of_cache_control() {
    check(&[
        (&[("Cache-Control", "max-age=1800, max-age=1")], 3, Fetched),
        (&[("Cache-Control", "max-age=1"), ("Cache-Control", "max-age=1800")], 3, Fetched),
        (&[("Cache-Control", "extension=\"max-age=3600\", max-age=1")], 3, Fetched),
        (&[("Cache-Control", "max-age=1, extension=\"max-age=3600\"")], 3, Fetched),
        (&[("Cache-Control", "max-age=\"3600\"")], 3, Hit),
        (&[("Cache-Control", "max-age='3600'")], 3, Fetched),
        (&[("Cache-Control", "max-age =3600")], 3, Fetched),
        (&[("Cache-Control", "max-age= 3600")], 3, Fetched),
        (&[("Cache-Control", "max-age=003600")], 3, Hit),
        (&[("Cache-Control", "max-age=3600.0")], 3, Fetched),
        (&[("Cache-Control", "max-age=a3600")], 3, Fetched),
        (&[("Cache-Control", "max-age=3600a")], 3, Fetched),
        (&[("Cache-Control", "max-age=3600"), ("Pragma", "no-cache")], 3, Hit),
    ]);
}

#[test]
fn ages_in_odd_forms() {
    let with = |age| outcome(&[], 200, &[("Date", "@0"), ("Cache-Control", "max-age=3600"), ("Age", age)], 3, &[]);
    for (age, expected) in [
        ("abc", Hit),
        ("-7200", Hit),
        ("7200.0", Hit),
        ("7200", Fetched),
        ("7200,0", Fetched),
        ("0,7200", Hit),
        ("0, 0", Hit),
        ("99999999999999999999", Fetched),
    ] {
        assert_eq!(with(age), expected, "{age}");
    }
    check(&[
        (&[("Date", "@0"), ("Cache-Control", "max-age=3600"), ("Age", "7200"), ("Age", "0")], 3, Fetched),
        (&[("Date", "@0"), ("Cache-Control", "max-age=3600"), ("Age", "0"), ("Age", "7200")], 3, Hit),
    ]);
}

#[test]
fn lifetimes_of_expires() {
    check(&[
        (&[("Expires", "@2592000"), ("Date", "@0")], 3, Hit),
        (&[("Expires", "@-2592000"), ("Date", "@0")], 3, Fetched),
        (&[("Expires", "@0"), ("Date", "@0")], 0, Fetched),
        // both clocks are fast
        (&[("Expires", "@300"), ("Date", "@400")], 3, Fetched),
        (&[("Expires", "0"), ("Date", "@0")], 3, Fetched),
        (&[("Expires", "@10"), ("Date", "foo")], 0, Hit),
        (&[("Expires", "@10"), ("Date", "@-10"), ("Age", "25")], 0, Fetched),
        (&[("Expires", "@20"), ("Date", "@10"), ("Age", "15")], 0, Fetched),
        (&[("Expires", "THU, 18 Aug 2050 02:01:18 GMT"), ("Date", "@0")], 3, Hit),
        (&[("Expires", "Thu, 18 AUG 2050 02:01:18 gMT"), ("Date", "@0")], 3, Hit),
        (&[("Expires", "Thu, 18 Aug 2050 02:01:18 UTC"), ("Date", "@0")], 3, Fetched),
        (&[("Expires", "Thu, 18 Aug 50 02:01:18 GMT"), ("Date", "@0")], 3, Fetched),
        (&[("Expires", "Thu 18 Aug 2050 02:01:18 GMT"), ("Date", "@0")], 3, Fetched),
        (&[("Expires", "Thu, 18-Aug-2050 02:01:18 GMT"), ("Date", "@0")], 3, Fetched),
        (&[("Expires", "Thu, 18 Aug 2050 2:01:18 GMT"), ("Date", "@0")], 3, Fetched),
    ]);
}

#[test]
fn directives_of_responses() {
    check(&[
        (&[("Cache-Control", "private, max-age=3600")], 0, Fetched),
        (&[("Cache-Control", "No-StOrE, max-age=3600"), ("Expires", "@3600")], 0, Fetched),
        (&[("Cache-Control", "max-age=3600, No-CaChE"), ("Expires", "@3600")], 0, Fetched),
        (&[("Cache-Control", "max-age=3600, no-cache"), ("ETag", "\"a\"")], 0, Validated),
        (&[("Cache-Control", "no-cache"), ("ETag", "\"a\"")], 0, Validated),
        (&[("Cache-Control", "no-cache=\"a\", max-age=3600")], 3, Hit),
        (&[("Cache-Control", "max-age=3600, must-revalidate"), ("ETag", "\"a\"")], 3, Hit),
        (&[("Cache-Control", "max-age=2, must-revalidate"), ("ETag", "\"a\"")], 3, Validated),
        (&[("Cache-Control", "max-age=1, stale-while-revalidate=3600"), ("ETag", "\"a\"")], 3, Hit),
        (&[("Cache-Control", "max-age=1, stale-while-revalidate=4"), ("ETag", "\"a\"")], 6, Validated),
        (&[("Cache-Control", "max-age=2, immutable"), ("ETag", "\"a\"")], 3, Validated),
    ]);
}

#[test]
fn statuses_are_stored_with_a_lifetime() {
    let fresh = [("Cache-Control", "max-age=3600"), ("Date", "@0")];
    let stale = [("Expires", "@-5000"), ("Last-Modified", "@-100000"), ("Date", "@0")];
    let modified = [("Last-Modified", "@-86400"), ("Date", "@0")];
    let public = [("Last-Modified", "@-86400"), ("Date", "@0"), ("Cache-Control", "public")];
    for status in [200, 203, 204, 299, 301, 302, 303, 307, 308, 400, 404, 410, 499, 500, 502, 503, 504, 599] {
        assert_eq!(outcome(&[], status, &fresh, 3, &[]), Hit, "{status}");
        assert_ne!(outcome(&[], status, &stale, 3, &[]), Hit, "{status}");
    }
    for status in [200, 203, 204, 404, 405, 410, 414, 501] {
        assert_eq!(outcome(&[], status, &modified, 3, &[]), Hit, "{status}");
    }
    for status in [201, 202, 403, 502, 503, 504, 599] {
        assert_ne!(outcome(&[], status, &modified, 3, &[]), Hit, "{status}");
    }
    assert_eq!(outcome(&[], 599, &public, 3, &[]), Hit);
    let understood = [("Cache-Control", "max-age=3600, no-store, must-understand")];
    assert_eq!(outcome(&[], 200, &understood, 3, &[]), Hit);
    assert_eq!(outcome(&[], 599, &understood, 3, &[]), Fetched);
}

#[test]
fn credentials_keep_responses_private() {
    let with = |control| outcome(&[("Authorization", "x")], 200, &[("Cache-Control", control)], 3, &[]);
    for (control, expected) in [
        ("max-age=3600", Fetched),
        ("max-age=3600, public", Hit),
        ("max-age=3600, must-revalidate", Hit),
        ("s-maxage=3600", Hit),
    ] {
        assert_eq!(with(control), expected, "{control}");
    }
}

#[test]
fn directives_of_requests() {
    const RESPONSE: Lines<'_> = &[("Cache-Control", "max-age=1500"), ("Age", "1000"), ("ETag", "\"a\"")];
    for (field, later, expected) in [
        (("Cache-Control", "max-age=0"), 0, Validated),
        (("Cache-Control", "max-age=999"), 0, Validated),
        (("Cache-Control", "max-age=1000"), 0, Hit),
        (("Cache-Control", "max-stale=1000"), 600, Hit),
        (("Cache-Control", "max-stale=10"), 600, Validated),
        (("Cache-Control", "min-fresh=1000"), 0, Validated),
        (("Cache-Control", "no-cache"), 0, Validated),
        (("Pragma", "no-cache"), 0, Validated),
        (("Pragma", "other"), 0, Hit),
        (("Cookie", "a=b"), 0, Hit),
    ] {
        assert_eq!(outcome(&[], 200, RESPONSE, later, &[field]), expected, "{field:?}");
    }
}

#[test]
fn variants_of_responses() {
    let with =
        |vary, first, second| outcome(first, 200, &[("Cache-Control", "max-age=5000"), ("Vary", vary)], 0, second);
    let abc = &[("Foo", "1"), ("Bar", "abc")][..];
    for (vary, first, second, expected) in [
        ("Foo", &[("Foo", "1")][..], &[("Foo", "1")][..], Hit),
        ("Foo", &[("Foo", "1")], &[("Foo", "2")], Fetched),
        ("Foo", &[("Foo", "1")], &[], Fetched),
        ("Foo", &[], &[("Foo", "1")], Fetched),
        ("Foo", &[("Foo", "1"), ("X", "2")], &[("Foo", "1"), ("X", "3")], Hit),
        ("Foo, Bar", abc, abc, Hit),
        ("Foo, Bar", abc, &[("Foo", "2"), ("Bar", "abc")], Fetched),
        ("Foo, Bar", abc, &[("Bar", "abc"), ("Foo", "1")], Hit),
        ("Foo, Bar, Baz", abc, abc, Hit),
        ("Foo", &[("Foo", "1, 2")], &[("Foo", "1"), ("Foo", "2")], Hit),
        ("Foo", &[("Foo", "1,2")], &[("Foo", " 1, 2 ")], Hit),
        ("Accept-Language", &[("Accept-Language", "en, de")], &[("Accept-Language", " eN ,  De")], Hit),
        // an order may be a preference
        ("Accept-Language", &[("Accept-Language", "en, de")], &[("Accept-Language", "de, en")], Fetched),
        ("*", &[("Foo", "1")], &[("Foo", "1")], Fetched),
        ("*, *", &[], &[], Fetched),
        (", *", &[], &[], Fetched),
        ("Foo, *", &[], &[], Fetched),
    ] {
        assert_eq!(with(vary, first, second), expected, "{vary} {first:?} {second:?}");
    }
}
