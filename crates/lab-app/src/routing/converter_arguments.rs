//! The arguments of a converter in a rule: `<int(min=1, max=9):n>`, `<any(a, "b,c"):which>`.

use super::converter_error::ConverterError;

/// One argument, by position or by name.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Argument {
    pub(super) name: Option<String>,
    pub(super) value: ArgumentValue,
}

/// An argument's value, parsed like werkzeug's `_pythonize`.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum ArgumentValue {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
}

/// Parses the text between the parentheses.
///
/// # Errors
/// An empty argument, or an unclosed quote.
pub(super) fn parse(text: &str) -> Result<Vec<Argument>, ConverterError> {
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    split_outside_quotes(text).into_iter().map(argument).collect()
}

impl ArgumentValue {
    /// The argument as text; numbers and constants as Python prints them.
    pub(super) fn into_text(self) -> String {
        match self {
            Self::None => "None".to_owned(),
            Self::Bool(true) => "True".to_owned(),
            Self::Bool(false) => "False".to_owned(),
            Self::Int(int) => int.to_string(),
            Self::Float(float) => format!("{float:?}"),
            Self::Text(text) => text,
        }
    }
}

fn split_outside_quotes(text: &str) -> Vec<&str> {
    let mut quote = None;
    text.split(|c: char| {
        match (quote, c) {
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), _) if open == c => quote = None,
            _ => {}
        }
        c == ',' && quote.is_none()
    })
    .collect()
}

fn argument(text: &str) -> Result<Argument, ConverterError> {
    let text = text.trim();
    let (name, value) = match text.split_once('=') {
        Some((name, value)) if is_identifier(name.trim()) => (Some(name.trim().to_owned()), value.trim()),
        _ => (None, text),
    };
    let value = value_of(value).ok_or_else(|| ConverterError::MalformedArgument(text.to_owned()))?;
    Ok(Argument { name, value })
}

fn value_of(text: &str) -> Option<ArgumentValue> {
    Some(match text {
        "None" => ArgumentValue::None,
        "True" => ArgumentValue::Bool(true),
        "False" => ArgumentValue::Bool(false),
        _ if text.starts_with(['"', '\'']) => {
            let quote = text.chars().next()?;
            ArgumentValue::Text(text.strip_prefix(quote)?.strip_suffix(quote)?.to_owned())
        }
        _ => match (text.parse(), text.parse()) {
            (Ok(int), _) => ArgumentValue::Int(int),
            (_, Ok(float)) => ArgumentValue::Float(float),
            _ if !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '.')) => {
                ArgumentValue::Text(text.to_owned())
            }
            _ => return None,
        },
    })
}

/// Whether `text` is a Python identifier in ASCII: letters, digits and `_`, with no digit first.
pub(super) fn is_identifier(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}
