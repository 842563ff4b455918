//! Parses the values of directives: flags, numbers, sizes and times.

use std::time::Duration;

use crate::error::{ConfError, ConfErrorKind};
use crate::syntax::Directive;

impl Directive {
    pub fn error(&self, kind: ConfErrorKind) -> ConfError {
        ConfError::new(&self.file, self.line, kind)
    }

    pub fn invalid(&self, value: &str, accepted: &'static str) -> ConfError {
        self.error(ConfErrorKind::InvalidValue { name: self.name.clone(), value: value.to_owned(), accepted })
    }

    /// An error for a value of nginx that lab does not support.
    pub fn unsupported(&self, what: impl Into<String>, accepted: &'static str) -> ConfError {
        self.error(ConfErrorKind::Unsupported { name: self.name.clone(), what: what.into(), accepted })
    }

    /// The first argument. Empty without one, which [`check()`](crate::check()) refuses where one is required.
    pub fn first(&self) -> &str {
        self.arg(0).unwrap_or_default()
    }

    /// The first argument as `on` or `off`.
    pub fn flag(&self) -> Result<bool, ConfError> {
        match self.first() {
            value if value.eq_ignore_ascii_case("on") => Ok(true),
            value if value.eq_ignore_ascii_case("off") => Ok(false),
            value => Err(self.invalid(value, "on, off")),
        }
    }

    /// The first argument as a count.
    pub fn number(&self) -> Result<usize, ConfError> {
        parse_number(self.first()).ok_or_else(|| self.invalid(self.first(), "a number"))
    }

    /// The first argument as a size in bytes.
    pub fn size(&self) -> Result<u64, ConfError> {
        parse_size(self.first()).ok_or_else(|| self.invalid(self.first(), "a size such as 512, 8k, 1m or 1g"))
    }

    /// The first argument as a time.
    pub fn time(&self) -> Result<Duration, ConfError> {
        self.parse_time(self.first())
    }

    pub fn parse_time(&self, value: &str) -> Result<Duration, ConfError> {
        parse_time(value).ok_or_else(|| self.invalid(value, "a time such as 60, 60s, 500ms or 1h 30m"))
    }
}

/// Accepts digits only, without a sign.
pub fn parse_number<T: std::str::FromStr>(value: &str) -> Option<T> {
    value.bytes().all(|byte| byte.is_ascii_digit()).then(|| value.parse().ok()).flatten()
}

/// Parses bytes, or a number with `k`, `m` or `g`.
pub fn parse_size(value: &str) -> Option<u64> {
    let (digits, unit) = match value.bytes().last()? {
        b'k' | b'K' => (&value[..value.len() - 1], 1 << 10),
        b'm' | b'M' => (&value[..value.len() - 1], 1 << 20),
        b'g' | b'G' => (&value[..value.len() - 1], 1 << 30),
        _ => (value, 1_u64),
    };
    parse_number::<u64>(digits)?.checked_mul(unit)
}

/// nginx's units, longest first. Each may occur once, in this order. A last number without a unit is in seconds.
const UNITS: &[(&str, u64)] = &[
    ("y", 365 * 86_400_000),
    ("M", 30 * 86_400_000),
    ("w", 7 * 86_400_000),
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// Parses `60`, `60s`, `500ms`, `1h30m`, `1h 30m`.
pub fn parse_time(value: &str) -> Option<Duration> {
    let mut rest = value;
    let mut units = UNITS;
    let mut milliseconds = 0_u64;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let number: u64 = parse_number(&rest[..digits]).filter(|_| digits > 0)?;
        let letters = rest[digits..].bytes().take_while(u8::is_ascii_alphabetic).count();
        let unit = &rest[digits..digits + letters];
        rest = rest[digits + letters..].trim_start_matches(' ');
        let (position, factor) = match unit {
            "" if rest.is_empty() => (units.len(), 1_000),
            _ => units.iter().position(|(name, _)| *name == unit).map(|position| (position + 1, units[position].1))?,
        };
        units = units.get(position..).unwrap_or_default();
        milliseconds = milliseconds.checked_add(number.checked_mul(factor)?)?;
    }
    (!value.is_empty()).then_some(Duration::from_millis(milliseconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_with_and_without_units() {
        for (text, expected) in [
            ("0", Some(0)),
            ("512", Some(512)),
            ("8k", Some(8192)),
            ("1M", Some(1 << 20)),
            ("4G", Some(4 << 30)),
            ("", None),
            ("k", None),
            ("-1", None),
            ("+1", None),
            ("1kb", None),
            ("1.5m", None),
            ("99999999999999999999", None),
            ("17179869184g", None),
        ] {
            assert_eq!(parse_size(text), expected, "{text}");
        }
    }

    #[test]
    fn times_with_descending_units() {
        for (text, expected) in [
            ("0", Some(0)),
            ("60", Some(60_000)),
            ("60s", Some(60_000)),
            ("500ms", Some(500)),
            ("1h30m", Some(5_400_000)),
            ("1h 30m", Some(5_400_000)),
            ("1m30", Some(90_000)),
            ("1d", Some(86_400_000)),
            ("30m1h", None),
            ("1s1s", None),
            ("10 20", None),
            ("", None),
            ("s", None),
            ("5x", None),
            ("-5", None),
        ] {
            assert_eq!(parse_time(text), expected.map(Duration::from_millis), "{text}");
        }
    }
}
