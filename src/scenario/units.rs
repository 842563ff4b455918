//! Quantities as scenario files write them: text with its unit, never a bare number.

use std::time::Duration;

/// Why a text is not a quantity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum UnitError {
    /// Nothing in front of the unit, or something that is not a number.
    #[error("`{0}` does not start with a number")]
    NoNumber(String),
    /// A number alone.
    #[error("`{0}` has no unit")]
    NoUnit(String),
    /// A unit that is not known here.
    #[error("unknown unit `{0}`")]
    UnknownUnit(String),
    /// Finer than can be kept.
    #[error("`{0}` is finer than a millisecond")]
    TooFine(String),
    /// Longer than a day.
    #[error("`{0}` is longer than a day")]
    TooLong(String),
    /// Not above zero.
    #[error("`{0}` is not above zero")]
    NotPositive(String),
}

/// What durations look like, for hints.
pub(super) const DURATION_FORM: &str = "a number with a unit `ms`, `s` or `m`, such as \"500ms\" or \"10s\"";
/// What durations look like, for the JSON Schema.
pub(super) const DURATION_PATTERN: &str = r"^[0-9]+(\.[0-9]+)?(ms|s|m)$";
/// What margins look like, for hints.
pub(super) const PERCENT_FORM: &str = "a percentage above zero, such as \"5%\"";
/// What margins look like, for the JSON Schema.
pub(super) const PERCENT_PATTERN: &str = r"^[0-9]+(\.[0-9]+)?%$";

/// No duration in a scenario is sensibly longer, and sums of shorter ones cannot overflow.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

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
    if total > LONGEST { Err(too_long()) } else { Ok(total) }
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

/// The leading decimal number (digits, perhaps with a point between digits) and the rest.
fn split(text: &str) -> Result<(&str, &str), UnitError> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let parts: Vec<_> = number.split('.').collect();
    if parts.len() > 2 || parts.iter().any(|digits| digits.is_empty()) {
        return Err(UnitError::NoNumber(text.to_owned()));
    }
    Ok((number, unit))
}

/// `0.digits` of `unit_ms`, where that is a whole number of milliseconds.
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
        assert_eq!(duration("1440m"), Ok(LONGEST));
    }

    #[test]
    fn what_is_not_a_duration_says_why() {
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
