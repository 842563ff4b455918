//! The typed converters of a rule's variable parts: `string`, `int`, `float`, `path`, `uuid`, `any`.

use std::borrow::Cow;

use super::converter_arguments::{Argument, ArgumentValue};
use super::converter_error::ConverterError;
use super::value::{PathValue, Uuid, ValueKind};
use crate::url::{self, PATH};

/// A converter with its arguments.
#[derive(Debug, Clone, PartialEq)]
pub struct Converter {
    pub(super) pattern: Pattern,
    conversion: Conversion,
}

/// The text that a converter matches: the `regex` of werkzeug's converter classes, as data.
///
/// Rules with equal patterns share a state of the matcher, even if their conversions differ.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Pattern {
    /// From `min` to `max` characters other than a slash (`[^/]{min,max}`).
    Segment { min: usize, max: Option<usize> },
    /// As few characters as possible, the first not a slash (`[^/].*?`).
    Path,
    /// ASCII digits (werkzeug's `\d+` matches digits of other scripts too).
    Digits { signed: bool },
    /// Digits, a point, digits.
    Decimal { signed: bool },
    /// `8-4-4-4-12` hexadecimal digits.
    Uuid,
    /// One of these, tried in this order.
    OneOf(Vec<String>),
}

/// The conversion of the matched text: `to_python`.
#[derive(Debug, Clone, PartialEq)]
enum Conversion {
    Text,
    Int { fixed_digits: usize, min: Option<i64>, max: Option<i64> },
    Float { min: Option<f64>, max: Option<f64> },
    Uuid,
}

impl Converter {
    /// The converter of this name with these arguments.
    pub(super) fn new(name: &str, arguments: Vec<Argument>) -> Result<Self, ConverterError> {
        match name {
            "string" | "default" => string(arguments),
            "any" => any(arguments),
            "int" => int(arguments),
            "float" => float(arguments),
            "path" => {
                no_arguments("path", &arguments).map(|()| Self { pattern: Pattern::Path, conversion: Conversion::Text })
            }
            "uuid" => {
                no_arguments("uuid", &arguments).map(|()| Self { pattern: Pattern::Uuid, conversion: Conversion::Uuid })
            }
            _ => Err(ConverterError::Unknown(name.to_owned())),
        }
    }

    /// The kind of the converted values.
    #[must_use]
    pub fn kind(&self) -> ValueKind {
        match self.conversion {
            Conversion::Text => ValueKind::Text,
            Conversion::Int { .. } => ValueKind::Int,
            Conversion::Float { .. } => ValueKind::Float,
            Conversion::Uuid => ValueKind::Uuid,
        }
    }

    /// `to_python`: `None` where werkzeug raises ValidationError, and for an integer above 2^63 - 1.
    pub(super) fn to_value(&self, text: &str) -> Option<PathValue> {
        match self.conversion {
            Conversion::Text => Some(PathValue::Text(text.to_owned())),
            Conversion::Int { fixed_digits, min, max } => {
                let int: i64 = text.parse().ok()?;
                let fits = (fixed_digits == 0 || text.len() == fixed_digits)
                    && min.is_none_or(|min| int >= min)
                    && max.is_none_or(|max| int <= max);
                fits.then_some(PathValue::Int(int))
            }
            Conversion::Float { min, max } => {
                let float: f64 = text.parse().ok()?;
                let fits = min.is_none_or(|min| float >= min) && max.is_none_or(|max| float <= max);
                fits.then_some(PathValue::Float(float))
            }
            Conversion::Uuid => Uuid::parse(text).map(PathValue::Uuid),
        }
    }

    /// `to_url`: the value as a percent-encoded piece of a path; `None` if the converter does not accept it.
    pub(super) fn to_url(&self, value: &PathValue) -> Option<String> {
        let text = match value {
            PathValue::Text(text) => Cow::Borrowed(text.as_str()),
            other => Cow::Owned(other.to_string()),
        };
        match (&self.pattern, &self.conversion) {
            (Pattern::OneOf(items), _) => items.iter().any(|item| *item == text).then(|| text.into_owned()),
            (_, Conversion::Int { fixed_digits, .. }) => {
                let int = match value {
                    PathValue::Int(int) => *int,
                    // OK because Python's int(1.9) truncates too, and `as` saturates where Python has no limit
                    PathValue::Float(float) => float.trunc() as i64,
                    _ => text.trim().parse().ok()?,
                };
                Some(format!("{int:0fixed_digits$}"))
            }
            (_, Conversion::Float { .. }) => Some(format!("{:?}", text.trim().parse::<f64>().ok()?)),
            _ => Some(url::quote(&text, PATH).into_owned()),
        }
    }
}

impl Pattern {
    /// Whether the pattern stays within one segment of the path (`part_isolating`).
    pub(super) fn stays_in_segment(&self) -> bool {
        match self {
            Self::Path => false,
            Self::OneOf(items) => !items.iter().any(|item| item.contains('/')),
            _ => true,
        }
    }

    /// The converter's weight; smaller weights are tried first.
    pub(super) fn weight(&self) -> u32 {
        match self {
            Self::Digits { .. } | Self::Decimal { .. } => 50,
            Self::Path => 200,
            _ => 100,
        }
    }

    /// Passes the byte lengths that the pattern can match at the start of `text` to `take`, in the order of a
    /// backtracking regular expression, until it returns true. Returns whether it did.
    pub(super) fn try_lengths(&self, text: &str, mut take: impl FnMut(usize) -> bool) -> bool {
        match self {
            Self::Segment { min, max } => {
                let segment = &text[..text.find('/').unwrap_or(text.len())];
                let count = segment.chars().count().min(max.unwrap_or(usize::MAX));
                let Some(backwards) = count.checked_sub(*min) else { return false };
                let longest = byte_length(segment, count);
                // Greedy: the longest first. Stepping backwards keeps a long segment from costing its square.
                let shorter = segment[..longest].char_indices().rev().map(|(index, _)| index).take(backwards);
                std::iter::once(longest).chain(shorter).any(take)
            }
            Self::Path => {
                let mut rest = text.char_indices();
                match rest.next() {
                    None | Some((_, '/')) => return false,
                    Some(_) => {}
                }
                // Lazy: the shortest first; a regular expression's `.` stops at a line feed.
                for (index, character) in rest {
                    if take(index) {
                        return true;
                    }
                    if character == '\n' {
                        return false;
                    }
                }
                take(text.len())
            }
            Self::Digits { signed } => {
                let sign = sign_length(text, *signed);
                (1..=digits(&text[sign..])).rev().any(|count| take(sign + count))
            }
            Self::Decimal { signed } => {
                let whole = sign_length(text, *signed) + digits(&text[sign_length(text, *signed)..]);
                let has_whole = whole > sign_length(text, *signed);
                if !has_whole || text.as_bytes().get(whole) != Some(&b'.') {
                    return false;
                }
                (1..=digits(&text[whole + 1..])).rev().any(|count| take(whole + 1 + count))
            }
            Self::Uuid => text.get(..36).is_some_and(|text| Uuid::parse(text).is_some()) && take(36),
            Self::OneOf(items) => items.iter().any(|item| text.starts_with(item.as_str()) && take(item.len())),
        }
    }
}

fn byte_length(text: &str, characters: usize) -> usize {
    text.char_indices().nth(characters).map_or(text.len(), |(index, _)| index)
}

fn sign_length(text: &str, signed: bool) -> usize {
    usize::from(signed && text.starts_with('-'))
}

fn digits(text: &str) -> usize {
    text.bytes().take_while(u8::is_ascii_digit).count()
}

fn refuse(converter: &'static str, argument: &Argument, accepted: &'static str) -> ConverterError {
    let value = argument.value.clone().into_text();
    let argument = match &argument.name {
        Some(name) => format!("{name}={value}"),
        None => value,
    };
    ConverterError::Argument { converter, argument, accepted }
}

fn no_arguments(converter: &'static str, arguments: &[Argument]) -> Result<(), ConverterError> {
    match arguments.first() {
        Some(argument) => Err(refuse(converter, argument, "no arguments")),
        None => Ok(()),
    }
}

/// The name of an argument, by its position if it has none.
fn named<'a>(argument: &'a Argument, position: usize, order: &[&'a str]) -> Option<&'a str> {
    argument.name.as_deref().or_else(|| order.get(position).copied())
}

fn string(arguments: Vec<Argument>) -> Result<Converter, ConverterError> {
    const ACCEPTED: &str = "minlength, maxlength and length, as numbers of characters";
    let (mut min, mut max, mut length) = (1, None, None);
    for (position, argument) in arguments.into_iter().enumerate() {
        let count = match argument.value {
            ArgumentValue::Int(int) => usize::try_from(int).ok(),
            _ => None,
        };
        match (named(&argument, position, &["minlength", "maxlength", "length"]), count) {
            (Some("minlength"), Some(count)) => min = count,
            (Some("maxlength"), Some(count)) => max = Some(count),
            (Some("length"), Some(count)) => length = Some(count),
            _ => return Err(refuse("string", &argument, ACCEPTED)),
        }
    }
    if let Some(length) = length {
        (min, max) = (length, Some(length));
    }
    Ok(Converter { pattern: Pattern::Segment { min, max }, conversion: Conversion::Text })
}

fn any(arguments: Vec<Argument>) -> Result<Converter, ConverterError> {
    if let Some(argument) = arguments.iter().find(|argument| argument.name.is_some()) {
        return Err(refuse("any", argument, "items only"));
    }
    let items = arguments.into_iter().map(|argument| argument.value.into_text()).collect();
    Ok(Converter { pattern: Pattern::OneOf(items), conversion: Conversion::Text })
}

fn int(arguments: Vec<Argument>) -> Result<Converter, ConverterError> {
    let (mut fixed_digits, mut min, mut max, mut signed) = (0, None, None, false);
    for (position, argument) in arguments.into_iter().enumerate() {
        match (named(&argument, position, &["fixed_digits", "min", "max", "signed"]), &argument.value) {
            (Some("fixed_digits"), ArgumentValue::Int(int)) if *int >= 0 => {
                fixed_digits = usize::try_from(*int).unwrap_or(usize::MAX);
            }
            (Some("min"), ArgumentValue::Int(int)) => min = Some(*int),
            (Some("max"), ArgumentValue::Int(int)) => max = Some(*int),
            (Some("signed"), ArgumentValue::Bool(bool)) => signed = *bool,
            _ => return Err(refuse("int", &argument, "fixed_digits, min, max (integers) and signed (True or False)")),
        }
    }
    Ok(Converter { pattern: Pattern::Digits { signed }, conversion: Conversion::Int { fixed_digits, min, max } })
}

fn float(arguments: Vec<Argument>) -> Result<Converter, ConverterError> {
    let (mut min, mut max, mut signed) = (None, None, false);
    for (position, argument) in arguments.into_iter().enumerate() {
        let number = match argument.value {
            ArgumentValue::Float(float) => Some(float),
            // OK because bounds of this size are exact in a float
            ArgumentValue::Int(int) => Some(int as f64),
            _ => None,
        };
        match (named(&argument, position, &["min", "max", "signed"]), number, &argument.value) {
            (Some("min"), Some(number), _) => min = Some(number),
            (Some("max"), Some(number), _) => max = Some(number),
            (Some("signed"), _, ArgumentValue::Bool(bool)) => signed = *bool,
            _ => return Err(refuse("float", &argument, "min, max (numbers) and signed (True or False)")),
        }
    }
    Ok(Converter { pattern: Pattern::Decimal { signed }, conversion: Conversion::Float { min, max } })
}
