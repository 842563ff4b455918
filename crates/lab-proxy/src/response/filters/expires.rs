//! `expires`: adds `Expires` and `Cache-Control`.

use std::borrow::Cow;
use std::time::UNIX_EPOCH;

use lab_http::h1::write::decimal;
use lab_http::message::date::{self, HttpDate};

use crate::clock::{self, parse_http_date};
use crate::config::location::filters::expires::{Expires, Expiry};
use crate::eval::Scope;
use crate::response::Head;

/// Replaces the response's `Expires` and `Cache-Control` by those of the location.
pub(crate) fn apply(head: &mut Head, scope: &Scope<'_>) {
    let Some(expires) = &scope.route.location.config.expires else { return };
    if !matches!(head.status, 200 | 201 | 204 | 206 | 301 | 302 | 303 | 304 | 307 | 308) {
        return;
    }
    let expiry = match expires {
        Expires::Fixed(expiry) => *expiry,
        Expires::Variable(template, is_modified) => {
            let pending = Scope { pending: Some((head.status, head.fields())), ..*scope };
            let value = template.value(&pending);
            // as in nginx: an invalid value is no value
            let parsed = std::str::from_utf8(&value).ok().and_then(|text| Expiry::parse(text, *is_modified));
            parsed.unwrap_or(Expiry::Off)
        }
    };
    let now = clock::wall().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()).cast_signed();
    let modified = match expiry {
        Expiry::AfterModification(_) => head.fields().get("last-modified").and_then(parse_http_date),
        _ => None,
    };
    let Some((expires, control)) = fields(expiry, now, modified) else { return };
    let fields = head.fields_mut();
    fields.remove("Expires");
    fields.remove("Cache-Control");
    fields.push("Expires", expires);
    fields.push("Cache-Control", control);
}

/// The values of both fields, for a time in seconds since 1970.
fn fields(expiry: Expiry, now: i64, modified: Option<i64>) -> Option<(HttpDate, Cow<'static, [u8]>)> {
    let (at, age, is_past) = match (expiry, modified) {
        (Expiry::Off, _) => return None,
        (Expiry::Epoch, _) => return Some((*b"Thu, 01 Jan 1970 00:00:01 GMT", NO_CACHE)),
        (Expiry::Max, _) => return Some((*b"Thu, 31 Dec 2037 23:55:55 GMT", Cow::Borrowed(b"max-age=315360000"))),
        (Expiry::AfterAccess(0) | Expiry::AfterModification(0), _) => (now, 0, false),
        (Expiry::Daily(time), _) => {
            let at = next_time_of_day(now, time);
            (at, at - now, false)
        }
        (Expiry::AfterModification(time), Some(modified)) => (modified + time, modified + time - now, time < 0),
        (Expiry::AfterAccess(time) | Expiry::AfterModification(time), _) => (now + time, time, time < 0),
    };
    let control = match u64::try_from(age) {
        Ok(age) if !is_past => {
            let mut control = b"max-age=".to_vec();
            decimal(&mut control, age);
            Cow::Owned(control)
        }
        _ => NO_CACHE,
    };
    Some((date::of(at.max(0).cast_unsigned()), control))
}

const NO_CACHE: Cow<'static, [u8]> = Cow::Borrowed(b"no-cache");

/// The next time of the day, in local time, that is `time` seconds after midnight.
fn next_time_of_day(now: i64, time: i64) -> i64 {
    let Ok(local) = jiff::Timestamp::from_second(now).map(|now| now.to_zoned(jiff::tz::TimeZone::system())) else {
        return now + time;
    };
    let today = local.start_of_day().map_or(now, |midnight| midnight.timestamp().as_second()) + time;
    if today > now { today } else { today + 24 * 3600 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(fields: Option<(HttpDate, Cow<'static, [u8]>)>) -> (String, String) {
        let (expires, control) = fields.unwrap();
        (String::from_utf8(expires.to_vec()).unwrap(), String::from_utf8(control.into_owned()).unwrap())
    }

    #[test]
    fn fields_count_from_their_base() {
        const NOW: i64 = 1_700_000_000;
        for (expiry, modified, expires, control) in [
            (Expiry::AfterAccess(3600), None, "Tue, 14 Nov 2023 23:13:20 GMT", "max-age=3600"),
            (Expiry::AfterAccess(-1), None, "Tue, 14 Nov 2023 22:13:19 GMT", "no-cache"),
            (Expiry::AfterAccess(0), None, "Tue, 14 Nov 2023 22:13:20 GMT", "max-age=0"),
            (Expiry::AfterModification(60), Some(NOW), "Tue, 14 Nov 2023 22:14:20 GMT", "max-age=60"),
            (Expiry::AfterModification(60), Some(NOW - 100), "Tue, 14 Nov 2023 22:12:40 GMT", "no-cache"),
            (Expiry::AfterModification(60), None, "Tue, 14 Nov 2023 22:14:20 GMT", "max-age=60"),
        ] {
            assert_eq!(text(fields(expiry, NOW, modified)), (expires.to_owned(), control.to_owned()), "{expiry:?}");
        }
        let (expires, control) = text(fields(Expiry::AfterAccess(i64::MAX / 2), NOW, None));
        assert_eq!((&*expires, &*control), ("Fri, 31 Dec 9999 23:59:59 GMT", "max-age=4611686018427387903"));
        assert_eq!(fields(Expiry::Off, NOW, None), None);
        let next = next_time_of_day(NOW, 3600);
        assert!(next > NOW && next <= NOW + 25 * 3600);
    }
}
