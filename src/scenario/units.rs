//! Parses quantities of scenario files: texts with a unit, never bare numbers.

use std::time::Duration;

/// Why a text is not a quantity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum UnitError {
    #[error("`{0}` does not start with a number")]
    NoNumber(String),
    #[error("`{0}` has no unit")]
    NoUnit(String),
    #[error("unknown unit `{0}`")]
    UnknownUnit(String),
    #[error("`{0}` is finer than a millisecond")]
    TooFine(String),
    #[error("`{0}` is longer than a day")]
    TooLong(String),
    #[error("`{0}` is not above zero")]
    NotPositive(String),
    #[error("`{0}` does not say for how many requests")]
    NoRequests(String),
}

/// For hints.
pub(super) const DURATION_FORM: &str = "a number with a unit `ms`, `s` or `m`, such as \"500ms\" or \"10s\"";
/// For the JSON Schema.
pub(super) const DURATION_PATTERN: &str = r"^[0-9]+(\.[0-9]+)?(ms|s|m)$";
/// For hints.
pub(super) const BOUND_FORM: &str = "a time above zero with a unit `us`, `ms` or `s`, such as \"800us\" or \"50ms\"";
/// For the JSON Schema.
pub(super) const BOUND_PATTERN: &str = r"^[0-9]+(\.[0-9]+)?(us|ms|s)$";
/// For hints.
pub(super) const PERCENT_FORM: &str = "a percentage above zero, such as \"5%\"";
/// For the JSON Schema.
pub(super) const PERCENT_PATTERN: &str = r"^[0-9]+(\.[0-9]+)?%$";

/// For hints.
pub(super) const MEMORY_GROWTH_FORM: &str =
    "bytes above zero with a unit `B`, `KiB`, `MiB` or `GiB`, per a number of requests, such as \"1MiB per 100k\"";
/// For the JSON Schema.
pub(super) const MEMORY_GROWTH_PATTERN: &str = r"^[0-9]+(\.[0-9]+)?(B|KiB|MiB|GiB) per [0-9]+(\.[0-9]+)?[kM]?$";
/// For hints.
pub(super) const COUNT_GROWTH_FORM: &str = "a number above zero per a number of requests, such as \"1 per 10k\"";
/// For the JSON Schema.
pub(super) const COUNT_GROWTH_PATTERN: &str = r"^[0-9]+(\.[0-9]+)? per [0-9]+(\.[0-9]+)?[kM]?$";

/// The patterns of quantities in the JSON Schema, each with what it accepts in words.
pub const QUANTITY_FORMS: [(&str, &str); 5] = [
    (DURATION_PATTERN, DURATION_FORM),
    (BOUND_PATTERN, BOUND_FORM),
    (PERCENT_PATTERN, PERCENT_FORM),
    (MEMORY_GROWTH_PATTERN, MEMORY_GROWTH_FORM),
    (COUNT_GROWTH_PATTERN, COUNT_GROWTH_FORM),
];

/// Sums of durations below this cannot overflow.
const MAX_DURATION: Duration = Duration::from_secs(24 * 60 * 60);

/// Reads `10s`, `1.5s`, `500ms`, `2m`: whole milliseconds, at most a day.
pub(super) fn duration(text: &str) -> Result<Duration, UnitError> {
    let (number, unit) = split(text)?;
    let unit_ms = match unit {
        "" => return Err(UnitError::NoUnit(text.to_owned())),
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        other => return Err(UnitError::UnknownUnit(other.to_owned())),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let too_long = || UnitError::TooLong(text.to_owned());
    let whole_ms = whole.parse::<u64>().ok().and_then(|whole| whole.checked_mul(unit_ms)).ok_or_else(too_long)?;
    let fraction_ms = fraction_of(fraction, unit_ms).ok_or_else(|| UnitError::TooFine(text.to_owned()))?;
    let total = whole_ms.checked_add(fraction_ms).map(Duration::from_millis).ok_or_else(too_long)?;
    if total > MAX_DURATION { Err(too_long()) } else { Ok(total) }
}

/// Reads the bound of a measured time, such as `800us`, `1.5ms` or `2s`, as microseconds.
pub(super) fn bound_us(text: &str) -> Result<f64, UnitError> {
    let (number, unit) = split(text)?;
    let unit_us = match unit {
        "" => return Err(UnitError::NoUnit(text.to_owned())),
        "us" => 1.0,
        "ms" => 1e3,
        "s" => 1e6,
        other => return Err(UnitError::UnknownUnit(other.to_owned())),
    };
    let value: f64 = number.parse().map_err(|_| UnitError::NoNumber(text.to_owned()))?;
    match value * unit_us {
        bound if bound <= 0.0 => Err(UnitError::NotPositive(text.to_owned())),
        bound if bound > MAX_DURATION.as_secs_f64() * 1e6 => Err(UnitError::TooLong(text.to_owned())),
        bound => Ok(bound),
    }
}

/// Reads `5%` as 0.05.
pub(super) fn percent(text: &str) -> Result<f64, UnitError> {
    let (number, unit) = split(text)?;
    match unit {
        "%" => {}
        "" => return Err(UnitError::NoUnit(text.to_owned())),
        other => return Err(UnitError::UnknownUnit(other.to_owned())),
    }
    let value: f64 = number.parse().map_err(|_| UnitError::NoNumber(text.to_owned()))?;
    if value > 0.0 && value.is_finite() { Ok(value / 100.0) } else { Err(UnitError::NotPositive(text.to_owned())) }
}

/// Reads growth of memory, such as `1MiB per 100k`, as bytes per request.
pub(super) fn memory_growth(text: &str) -> Result<f64, UnitError> {
    growth(text, |amount| {
        let (number, unit) = split(amount)?;
        let unit_bytes = match unit {
            "" => return Err(UnitError::NoUnit(amount.to_owned())),
            "B" => 1.0,
            "KiB" => 1024.0,
            "MiB" => 1024.0 * 1024.0,
            "GiB" => 1024.0 * 1024.0 * 1024.0,
            other => return Err(UnitError::UnknownUnit(other.to_owned())),
        };
        Ok(unit_bytes * parsed(number)?)
    })
}

/// Reads growth of a count, such as `1 per 10k`, as a count per request.
pub(super) fn count_growth(text: &str) -> Result<f64, UnitError> {
    growth(text, |amount| match split(amount)? {
        (number, "") => parsed(number),
        (_, other) => Err(UnitError::UnknownUnit(other.to_owned())),
    })
}

fn growth(text: &str, amount: fn(&str) -> Result<f64, UnitError>) -> Result<f64, UnitError> {
    let (held, requests) = match text.split_once(" per ") {
        Some((held, requests)) => (amount(held)?, requests),
        None => return amount(text).and(Err(UnitError::NoRequests(text.to_owned()))),
    };
    let (number, unit) = split(requests)?;
    let unit = match unit {
        "" => 1.0,
        "k" => 1e3,
        "M" => 1e6,
        other => return Err(UnitError::UnknownUnit(other.to_owned())),
    };
    let per_request = held / (unit * parsed(number)?);
    let is_positive = per_request > 0.0 && per_request.is_finite();
    if is_positive { Ok(per_request) } else { Err(UnitError::NotPositive(text.to_owned())) }
}

fn parsed(number: &str) -> Result<f64, UnitError> {
    number.parse().map_err(|_| UnitError::NoNumber(number.to_owned()))
}

/// Splits off the leading decimal number: digits, with at most one point between them.
fn split(text: &str) -> Result<(&str, &str), UnitError> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let parts: Vec<_> = number.split('.').collect();
    if parts.len() > 2 || parts.iter().any(|digits| digits.is_empty()) {
        return Err(UnitError::NoNumber(text.to_owned()));
    }
    Ok((number, unit))
}

/// `0.digits` of `unit_ms`; `None` if that is not a whole number of milliseconds.
fn fraction_of(digits: &str, unit_ms: u64) -> Option<u64> {
    let digits = digits.trim_end_matches('0');
    if digits.is_empty() {
        return Some(0);
    }
    let scale = 10_u64.checked_pow(u32::try_from(digits.len()).ok()?)?;
    let scaled = digits.parse::<u64>().ok()?.checked_mul(unit_ms)?;
    scaled.is_multiple_of(scale).then_some(scaled / scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_numbers_with_units() {
        for (text, ms) in
            [("10s", 10_000), ("1.5s", 1_500), ("500ms", 500), ("2m", 120_000), ("0s", 0), ("0.5m", 30_000)]
        {
            assert_eq!(duration(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        assert_eq!(duration("1440m"), Ok(MAX_DURATION));
    }

    #[test]
    fn invalid_durations_have_reasons() {
        for (text, error) in [
            ("10", UnitError::NoUnit("10".into())),
            ("", UnitError::NoNumber("".into())),
            ("s", UnitError::NoNumber("s".into())),
            ("-1s", UnitError::NoNumber("-1s".into())),
            ("1.s", UnitError::NoNumber("1.s".into())),
            (".5s", UnitError::NoNumber(".5s".into())),
            ("1.2.3s", UnitError::NoNumber("1.2.3s".into())),
            ("10 s", UnitError::UnknownUnit(" s".into())),
            ("10h", UnitError::UnknownUnit("h".into())),
            ("0.5ms", UnitError::TooFine("0.5ms".into())),
            ("1.00001s", UnitError::TooFine("1.00001s".into())),
            ("1441m", UnitError::TooLong("1441m".into())),
            ("99999999999999999999s", UnitError::TooLong("99999999999999999999s".into())),
        ] {
            assert_eq!(duration(text), Err(error), "{text}");
        }
    }

    #[test]
    fn bounds_are_microseconds() {
        for (text, us) in [("800us", 800.0), ("1.5ms", 1500.0), ("2s", 2e6)] {
            assert_eq!(bound_us(text), Ok(us), "{text}");
        }
        for (text, error) in [
            ("0ms", UnitError::NotPositive("0ms".into())),
            ("5", UnitError::NoUnit("5".into())),
            ("5m", UnitError::UnknownUnit("m".into())),
            ("90000s", UnitError::TooLong("90000s".into())),
        ] {
            assert_eq!(bound_us(text), Err(error), "{text}");
        }
    }

    #[test]
    fn growth_is_per_request() {
        for (text, bytes) in [("1MiB per 100k", 10.485_76), ("2KiB per 1", 2048.0), ("1.5GiB per 2M", 805.306_368)] {
            assert!((memory_growth(text).unwrap() - bytes).abs() < 1e-9, "{text}");
        }
        assert_eq!(count_growth("1 per 10k"), Ok(0.0001));
        for (text, error) in [
            ("1MiB", UnitError::NoRequests("1MiB".into())),
            ("1 per 100k", UnitError::NoUnit("1".into())),
            ("1MB per 100k", UnitError::UnknownUnit("MB".into())),
            ("1MiB per 100x", UnitError::UnknownUnit("x".into())),
            ("1MiB per request", UnitError::NoNumber("request".into())),
            ("0MiB per 100k", UnitError::NotPositive("0MiB per 100k".into())),
            ("1MiB per 0", UnitError::NotPositive("1MiB per 0".into())),
        ] {
            assert_eq!(memory_growth(text), Err(error), "{text}");
        }
        assert_eq!(count_growth("1B per 100k"), Err(UnitError::UnknownUnit("B".into())));
    }

    #[test]
    fn percentages_are_fractions_above_zero() {
        assert_eq!(percent("5%"), Ok(0.05));
        assert_eq!(percent("12.5%"), Ok(0.125));
        for (text, error) in [
            ("0%", UnitError::NotPositive("0%".into())),
            ("5", UnitError::NoUnit("5".into())),
            ("5 %", UnitError::UnknownUnit(" %".into())),
            ("-5%", UnitError::NoNumber("-5%".into())),
            ("%", UnitError::NoNumber("%".into())),
        ] {
            assert_eq!(percent(text), Err(error), "{text}");
        }
    }
}
