//! Dates in fields (RFC 9110 §5.6.7). The Date field (§6.6.1) is formatted once per second.

use std::cell::Cell;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The length of a date in the preferred format.
const LENGTH: usize = "Sun, 06 Nov 1994 08:49:37 GMT".len();

/// A date in the preferred format, for example `Sun, 06 Nov 1994 08:49:37 GMT`.
pub type HttpDate = [u8; LENGTH];

/// The last second whose year has four digits.
const LAST: u64 = 253_402_300_799;

/// A date, and the second since 1970 that it stands for.
type Formatted = (u64, HttpDate);

/// The number of dates that a thread keeps: those of some files, and when their responses expire.
const KEPT: usize = 16;

/// The current date.
#[must_use]
pub fn now() -> HttpDate {
    at(SystemTime::now())
}

/// As [`now`], for a caller that knows the time.
#[must_use]
pub fn at(now: SystemTime) -> HttpDate {
    thread_local! {
        static CACHED: Cell<Option<Formatted>> = const { Cell::new(None) };
    }
    // A clock before 1970 counts as 1970.
    let second = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    CACHED.with(|cache| cached(cache, second))
}

/// The date of a second since 1970, as of the last change of a file. A year beyond 9999, which the format cannot have,
/// becomes the end of 9999.
#[must_use]
pub fn of(second: u64) -> HttpDate {
    thread_local! {
        // the same files are requested many times in a row
        static CACHED: [Cell<Option<Formatted>>; KEPT] = const { [const { Cell::new(None) }; KEPT] };
    }
    CACHED.with(|cache| cached(&cache[(second % KEPT as u64) as usize], second))
}

fn cached(cache: &Cell<Option<Formatted>>, second: u64) -> HttpDate {
    match cache.get() {
        Some((own, date)) if own == second => date,
        _ => {
            let date = format(second);
            cache.set(Some((second, date)));
            date
        }
    }
}

fn format(second: u64) -> HttpDate {
    let text = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(second.min(LAST)));
    let mut date = [b' '; LENGTH];
    date.copy_from_slice(text.as_bytes());
    date
}

/// Parses a date in the preferred format, in seconds since 1970. A wrong day of the week does not matter. None for any other
/// format, and for a time before 1970.
#[must_use]
pub fn parse_preferred(text: &[u8]) -> Option<u64> {
    const MONTHS: [&[u8; 3]; 12] =
        [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];
    const MONTH_DAYS: [u64; 12] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    /// The days from 1 March of the year 0 to the first day of 1970.
    const DAYS_TO_1970: u64 = 719_468;

    let text: &[u8; LENGTH] = text.try_into().ok()?;
    let separators = [(3, b','), (4, b' '), (7, b' '), (11, b' '), (16, b' '), (19, b':'), (22, b':')];
    let is_separated = separators.iter().all(|(at, byte)| text[*at] == *byte) && text.ends_with(b" GMT");
    is_separated.then_some(())?;
    let number = |at: usize, length: usize| {
        text[at..at + length]
            .iter()
            .try_fold(0, |number, byte| byte.is_ascii_digit().then(|| number * 10 + u64::from(byte - b'0')))
    };
    let month = MONTHS.iter().position(|name| **name == text[8..11])?;
    let (day, year) = (number(5, 2)?, number(12, 4)?);
    let (hour, minute, second) = (number(17, 2)?, number(20, 2)?, number(23, 2)?);
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = MONTH_DAYS[month] + u64::from(month == 1 && is_leap);
    let is_valid = (1..=days).contains(&day) && year >= 1970 && hour < 24 && minute < 60 && second < 60;
    is_valid.then_some(())?;
    // years begin in March here, so that a leap day is the last day of its year
    let years = if month < 2 { year - 1 } else { year };
    let months = (month as u64 + 10) % 12;
    let leap_days = years / 4 - years / 100 + years / 400;
    let days = years * 365 + leap_days + (months * 153 + 2) / 5 + day - 1 - DAYS_TO_1970;
    Some(((days * 24 + hour) * 60 + minute) * 60 + second)
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
    fn formatted_dates_are_parsed() {
        // a step of 11 days and some hours visits every day of the month, and every hour, many times
        for second in (0..=LAST).step_by(987_654) {
            assert_eq!(parse_preferred(&of(second)), Some(second));
        }
        for leap_day in
            ["Mon, 29 Feb 2016 00:00:00 GMT", "Tue, 29 Feb 2000 23:59:59 GMT", "Xxx, 01 Mar 1972 00:00:00 GMT"]
        {
            assert_eq!(of(parse_preferred(leap_day.as_bytes()).unwrap())[4..], leap_day.as_bytes()[4..]);
        }
    }

    #[test]
    fn impossible_dates_are_refused() {
        for text in [
            "",
            "Sun, 06 Nov 1994 08:49:37 UTC",
            "Sun, 06 Nov 1994 08:49:37 GMT ",
            "Sun, 6 Nov 1994 08:49:37 GMT",
            "Sun, 00 Nov 1994 08:49:37 GMT",
            "Sun, 31 Nov 1994 08:49:37 GMT",
            "Sun, 29 Feb 1994 08:49:37 GMT",
            "Sun, 29 Feb 2100 08:49:37 GMT",
            "Sun, 06 nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1969 08:49:37 GMT",
            "Sun, 06 Nov 1994 24:49:37 GMT",
            "Sun, 06 Nov 1994 08:60:37 GMT",
            "Sun, 06 Nov 1994 08:49:60 GMT",
            "Sun, 06 Nov 1994 08-49-37 GMT",
            "Sun, 06 Nov +994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994 GMT!",
        ] {
            assert_eq!(parse_preferred(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn current_date_is_recent() {
        let text = String::from_utf8(now().to_vec()).expect("ASCII");
        let parsed = httpdate::parse_http_date(&text).expect("a date");
        assert!(SystemTime::now().duration_since(parsed).expect("not in the future") < Duration::from_secs(60));
    }
}
