//! Dates in fields (RFC 9110 §5.6.7). The Date field (§6.6.1) is formatted once per second.

use std::cell::Cell;
use std::thread::LocalKey;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The length of a date in the preferred format.
const LENGTH: usize = "Sun, 06 Nov 1994 08:49:37 GMT".len();

/// The last second whose year has four digits.
const LAST: u64 = 253_402_300_799;

/// A date, and the second since 1970 that it stands for.
type Formatted = (u64, [u8; LENGTH]);

/// The current date, for example `Sun, 06 Nov 1994 08:49:37 GMT`.
#[must_use]
pub fn now() -> [u8; LENGTH] {
    at(SystemTime::now())
}

/// As [`now`], for a caller that knows the time.
#[must_use]
pub fn at(now: SystemTime) -> [u8; LENGTH] {
    thread_local! {
        static CACHED: Cell<Option<Formatted>> = const { Cell::new(None) };
    }
    // A clock before 1970 counts as 1970.
    let second = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    cached(&CACHED, second)
}

/// The date of a second since 1970, as of the last change of a file. A year beyond 9999, which the format cannot have,
/// becomes the end of 9999.
#[must_use]
pub fn of(second: u64) -> [u8; LENGTH] {
    thread_local! {
        // the same file is requested many times in a row
        static CACHED: Cell<Option<Formatted>> = const { Cell::new(None) };
    }
    cached(&CACHED, second)
}

fn cached(cache: &'static LocalKey<Cell<Option<Formatted>>>, second: u64) -> [u8; LENGTH] {
    match cache.get() {
        Some((own, date)) if own == second => date,
        _ => {
            let date = format(second);
            cache.set(Some((second, date)));
            date
        }
    }
}

fn format(second: u64) -> [u8; LENGTH] {
    let text = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(second.min(LAST)));
    let mut date = [b' '; LENGTH];
    date.copy_from_slice(text.as_bytes());
    date
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_have_the_preferred_format() {
        for _ in 0..2 {
            assert_eq!(&of(784_111_777), b"Sun, 06 Nov 1994 08:49:37 GMT");
            assert_eq!(&of(0), b"Thu, 01 Jan 1970 00:00:00 GMT");
        }
    }

    #[test]
    fn years_have_four_digits() {
        assert_eq!(&of(LAST), b"Fri, 31 Dec 9999 23:59:59 GMT");
        assert_eq!(of(LAST + 1), of(LAST));
        assert_eq!(of(u64::MAX), of(LAST));
    }

    #[test]
    fn current_date_is_recent() {
        let text = String::from_utf8(now().to_vec()).expect("ASCII");
        let parsed = httpdate::parse_http_date(&text).expect("a date");
        assert!(SystemTime::now().duration_since(parsed).expect("not in the future") < Duration::from_secs(60));
    }
}
