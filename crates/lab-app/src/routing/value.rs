//! Converted variables of a path, and the handler parameters that accept them.

use std::fmt;

/// The kind of a [`PathValue`], known when a rule is registered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueKind {
    /// `string`, `path` and `any`
    Text,
    /// `int`
    Int,
    /// `float`
    Float,
    /// `uuid`
    Uuid,
}

/// A converted variable (`request.view_args` in Flask), or a value for building a URL.
#[derive(Debug, Clone, PartialEq)]
pub enum PathValue {
    /// From `string`, `path` and `any`.
    Text(String),
    /// From `int`. Python's integers have no limit; here a path with a larger value does not match.
    Int(i64),
    /// From `float`.
    Float(f64),
    /// From `uuid`.
    Uuid(Uuid),
}

/// A UUID (RFC 9562). Displayed in lower case with hyphens, as by `uuid.UUID`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Uuid(pub u128);

/// The type of a handler's parameter for a converted variable.
pub trait FromPathValue: Sized + Send + 'static {
    /// Whether the type accepts values of this kind. Called once, at registration.
    fn accepts(kind: ValueKind) -> bool;
    /// The value; `None` if it is out of the type's range, which becomes a 404.
    fn from_path_value(value: &PathValue) -> Option<Self>;
}

impl ValueKind {
    /// The name in messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Int => "an integer",
            Self::Float => "a float",
            Self::Uuid => "a uuid",
        }
    }
}

impl fmt::Display for PathValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Int(int) => write!(f, "{int}"),
            // Python's str(float) always shows a point: 2.0, not 2.
            Self::Float(float) => write!(f, "{float:?}"),
            Self::Uuid(uuid) => write!(f, "{uuid}"),
        }
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hex = format!("{:032x}", self.0);
        write!(f, "{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
    }
}

impl Uuid {
    /// Parses the form with hyphens, `8-4-4-4-12` hexadecimal digits in either case.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        if bytes.len() != 36 {
            return None;
        }
        let mut value = 0_u128;
        for (index, byte) in bytes.iter().enumerate() {
            if matches!(index, 8 | 13 | 18 | 23) {
                if *byte != b'-' {
                    return None;
                }
            } else {
                value = value << 4 | u128::from(char::from(*byte).to_digit(16)?);
            }
        }
        Some(Self(value))
    }
}

impl From<&str> for PathValue {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for PathValue {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<f64> for PathValue {
    fn from(float: f64) -> Self {
        Self::Float(float)
    }
}

impl From<Uuid> for PathValue {
    fn from(uuid: Uuid) -> Self {
        Self::Uuid(uuid)
    }
}

impl FromPathValue for String {
    fn accepts(kind: ValueKind) -> bool {
        kind == ValueKind::Text
    }
    fn from_path_value(value: &PathValue) -> Option<Self> {
        match value {
            PathValue::Text(text) => Some(text.clone()),
            _ => None,
        }
    }
}

impl FromPathValue for f64 {
    fn accepts(kind: ValueKind) -> bool {
        kind == ValueKind::Float
    }
    fn from_path_value(value: &PathValue) -> Option<Self> {
        match value {
            PathValue::Float(float) => Some(*float),
            _ => None,
        }
    }
}

impl FromPathValue for Uuid {
    fn accepts(kind: ValueKind) -> bool {
        kind == ValueKind::Uuid
    }
    fn from_path_value(value: &PathValue) -> Option<Self> {
        match value {
            PathValue::Uuid(uuid) => Some(*uuid),
            _ => None,
        }
    }
}

macro_rules! integers {
    ($($int:ty),*) => {$(
        impl FromPathValue for $int {
            fn accepts(kind: ValueKind) -> bool {
                kind == ValueKind::Int
            }
            fn from_path_value(value: &PathValue) -> Option<Self> {
                match value {
                    PathValue::Int(int) => Self::try_from(*int).ok(),
                    _ => None,
                }
            }
        }
    )*};
}

macro_rules! lossless_integers {
    ($($int:ty),*) => {$(
        impl From<$int> for PathValue {
            fn from(int: $int) -> Self {
                Self::Int(int.into())
            }
        }
    )*};
}

integers!(i64, i32, u64, u32, u16, u8, usize);
lossless_integers!(i64, i32, u32, u16, u8);
