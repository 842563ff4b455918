//! Dates as a cache reads them (RFC 9110 §5.6.7, RFC 9111 §4.2).
//!
//! Letters match in any case. A date in any other form, or in a time zone other than GMT, is invalid, which makes a
//! response stale.

const MONTHS: [&[u8]; 12] =
    [b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov", b"dec"];
const DAYS: [&[u8]; 7] = [b"monday", b"tuesday", b"wednesday", b"thursday", b"friday", b"saturday", b"sunday"];
const DAY: i64 = 24 * 60 * 60;

/// Parses a date, in seconds since 1970. `now` decides the century of a year with two digits.
#[must_use]
pub fn parse(text: &[u8], now: i64) -> Option<i64> {
    let text = text.to_ascii_lowercase();
    let comma = text.iter().position(|&byte| byte == b',');
    match comma {
        Some(3) => preferred(&text),
        Some(comma) => obsolete(&text[..comma], &text[comma + 1..], now),
        None => asctime(&text),
    }
}

/// `sun, 06 nov 1994 08:49:37 gmt`
fn preferred(text: &[u8]) -> Option<i64> {
    let [name, b", ", day, b" ", month, b" ", year, b" ", time, b" gmt"] =
        fields(text, [3, 2, 2, 1, 3, 1, 4, 1, 8, 4])?
    else {
        return None;
    };
    is_short_day(name).then_some(())?;
    seconds(number(year)?, month, number(day)?, time)
}

/// `sunday, 06-nov-94 08:49:37 gmt`
fn obsolete(name: &[u8], rest: &[u8], now: i64) -> Option<i64> {
    let [b" ", day, b"-", month, b"-", year, b" ", time, b" gmt"] = fields(rest, [1, 2, 1, 3, 1, 2, 1, 8, 4])? else {
        return None;
    };
    DAYS.contains(&name).then_some(())?;
    let current = year_of(now);
    let mut year = current - current.rem_euclid(100) + number(year)?;
    // a year that seems to be more than 50 years ahead is the last one in the past with the same digits
    if year > current + 50 {
        year -= 100;
    }
    seconds(year, month, number(day)?, time)
}

/// `sun nov  6 08:49:37 1994`
fn asctime(text: &[u8]) -> Option<i64> {
    let [name, b" ", month, b" ", day, b" ", time, b" ", year] = fields(text, [3, 1, 3, 1, 2, 1, 8, 1, 4])? else {
        return None;
    };
    is_short_day(name).then_some(())?;
    let day = day.strip_prefix(b" ").unwrap_or(day);
    seconds(number(year)?, month, number(day)?, time)
}

/// Splits a text into parts of the given lengths, which must add up to its own.
fn fields<const N: usize>(text: &[u8], lengths: [usize; N]) -> Option<[&[u8]; N]> {
    let mut parts = [&b""[..]; N];
    let mut rest = text;
    for (part, length) in parts.iter_mut().zip(lengths) {
        (*part, rest) = rest.split_at_checked(length)?;
    }
    rest.is_empty().then_some(parts)
}

fn is_short_day(name: &[u8]) -> bool {
    DAYS.iter().any(|day| day[..3] == *name)
}

fn number(text: &[u8]) -> Option<i64> {
    let is_number = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    is_number.then(|| text.iter().fold(0, |number, digit| number * 10 + i64::from(digit - b'0')))
}

fn seconds(year: i64, month: &[u8], day: i64, time: &[u8]) -> Option<i64> {
    let month = MONTHS.iter().position(|own| *own == month)?;
    let [hour, b":", minute, b":", second] = fields(time, [2, 1, 2, 1, 2])? else { return None };
    let (hour, minute, second) = (number(hour)?, number(minute)?, number(second)?);
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = [31, if is_leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month];
    // 60 is a leap second
    let is_valid = (1..=length).contains(&day) && hour < 24 && minute < 60 && second <= 60;
    is_valid.then(|| days(year, month as i64 + 1, day) * DAY + (hour * 60 + minute) * 60 + second)
}

/// The days from 1970-01-01 to a date of the Gregorian calendar. Years begin in March here, so that leap days come last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// The year of a second, correct to a day or so at its ends, which suffices to choose a century.
fn year_of(second: i64) -> i64 {
    1970 + second.div_euclid(DAY) * 400 / 146_097
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_764_500_000; // 2025

    #[test]
    fn all_three_formats_are_read() {
        for (text, expected) in [
            ("Sun, 06 Nov 1994 08:49:37 GMT", 784_111_777),
            ("Sunday, 06-Nov-94 08:49:37 GMT", 784_111_777),
            ("Sun Nov  6 08:49:37 1994", 784_111_777),
            ("Sun Nov 16 08:49:37 1994", 784_975_777),
            ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
            ("Wed, 31 Dec 1969 23:59:59 GMT", -1),
            ("Thu, 18 Aug 2050 02:01:18 GMT", 2_544_400_878),
            ("Thursday, 18-Aug-50 02:01:18 GMT", 2_544_400_878),
            ("Sun, 21 Nov 2286 04:46:39 GMT", 10_000_039_599),
            ("Fri, 31 Dec 9999 23:59:59 GMT", 253_402_300_799),
            ("Sat, 29 Feb 2020 00:00:00 GMT", 1_582_934_400),
            ("Sat, 31 Dec 2016 23:59:60 GMT", 1_483_228_800),
            // the day of the week is not compared with the date
            ("Mon, 06 Nov 1994 08:49:37 GMT", 784_111_777),
        ] {
            assert_eq!(parse(text.as_bytes(), NOW), Some(expected), "{text}");
        }
    }

    #[test]
    fn letters_match_in_any_case() {
        for text in ["SUN, 06 Nov 1994 08:49:37 GMT", "Sun, 06 NOV 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37 gMT"]
        {
            assert_eq!(parse(text.as_bytes(), NOW), Some(784_111_777), "{text}");
        }
    }

    #[test]
    fn other_forms_are_invalid() {
        for text in [
            "",
            "0",
            "-1",
            "1733000000",
            "Sun, 06 Nov 1994 08:49:37",
            "Sun, 06 Nov 1994 08:49:37 UTC",
            "Sun, 06 Nov 1994 08:49:37 AEST",
            "Sun, 06 Nov 1994 08:49:37 +0000",
            "Sun, 06  Nov  1994 08:49:37 GMT",
            "Sun, 6 Nov 1994 08:49:37 GMT",
            "Sun, 06-Nov-1994 08:49:37 GMT",
            "Sun, 06 Nov 94 08:49:37 GMT",
            "Sun, 06 Nov 1994 8:49:37 GMT",
            "Sun, 06 Nov 1994 08.49.37 GMT",
            "Sun, 06 Nov 1994 24:00:00 GMT",
            "Sun, 06 Nov 1994 08:60:37 GMT",
            "Sun 06 Nov 1994 08:49:37 GMT",
            "Son, 06 Nov 1994 08:49:37 GMT",
            "Sun, 31 Nov 1994 08:49:37 GMT",
            "Sun, 29 Feb 1900 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:37 GMT ",
        ] {
            assert_eq!(parse(text.as_bytes(), NOW), None, "{text}");
        }
    }

    #[test]
    fn two_digit_year_is_at_most_fifty_ahead() {
        let parsed = |text: &str| parse(text.as_bytes(), NOW).map(year_of);
        assert_eq!(parsed("Sunday, 06-Jul-75 08:49:37 GMT"), Some(2075));
        assert_eq!(parsed("Sunday, 06-Jul-76 08:49:37 GMT"), Some(1976));
    }
}
