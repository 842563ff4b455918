//! The value of a setting: a Python value that prints as in Python.

use std::fmt::{self, Write as _};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    None,
    Bool(bool),
    Int(i64),
    Text(String),
    List(Vec<Value>),
    Tuple(Vec<Value>),
    /// A dictionary with string keys, in order.
    Pairs(Vec<(String, Value)>),
    /// A function or class, by its qualified name.
    Callable(String),
    /// Any other value, by its `repr`.
    Opaque(String),
}

impl Value {
    pub fn text(text: impl Into<String>) -> Value {
        Value::Text(text.into())
    }

    pub fn texts<T: Into<String>>(texts: impl IntoIterator<Item = T>) -> Value {
        Value::List(texts.into_iter().map(Value::text).collect())
    }

    /// Reads the JSON that `evaluate.py` writes. `{"$callable": name}`, `{"$tuple": [...]}` and `{"$opaque": repr}` stand
    /// for values that JSON lacks.
    #[must_use]
    pub fn from_json(json: &serde_json::Value) -> Value {
        use serde_json::Value as Json;
        match json {
            Json::Null => Value::None,
            Json::Bool(value) => Value::Bool(*value),
            Json::Number(number) => number.as_i64().map_or_else(|| Value::Opaque(number.to_string()), Value::Int),
            Json::String(text) => Value::Text(text.clone()),
            Json::Array(items) => Value::List(items.iter().map(Value::from_json).collect()),
            Json::Object(map) => match map.iter().next() {
                Some((key, Json::String(text))) if map.len() == 1 && key == "$callable" => {
                    Value::Callable(text.clone())
                }
                Some((key, Json::String(text))) if map.len() == 1 && key == "$opaque" => Value::Opaque(text.clone()),
                Some((key, Json::Array(items))) if map.len() == 1 && key == "$tuple" => {
                    Value::Tuple(items.iter().map(Value::from_json).collect())
                }
                _ => Value::Pairs(map.iter().map(|(key, value)| (key.clone(), Value::from_json(value))).collect()),
            },
        }
    }

    /// The value as JSON, for Python; None for a function and other values that JSON lacks.
    #[must_use]
    pub fn to_json(&self) -> Option<serde_json::Value> {
        use serde_json::Value as Json;
        match self {
            Value::None => Some(Json::Null),
            Value::Bool(value) => Some(Json::Bool(*value)),
            Value::Int(value) => Some(Json::from(*value)),
            Value::Text(text) => Some(Json::String(text.clone())),
            Value::List(items) | Value::Tuple(items) => items.iter().map(Value::to_json).collect(),
            Value::Pairs(pairs) => pairs
                .iter()
                .map(|(key, value)| Some((key.clone(), value.to_json()?)))
                .collect::<Option<_>>()
                .map(Json::Object),
            Value::Callable(_) | Value::Opaque(_) => None,
        }
    }

    /// Python's truth value.
    #[must_use]
    pub fn is_truthy(&self) -> bool {
        match self {
            Value::None => false,
            Value::Bool(value) => *value,
            Value::Int(value) => *value != 0,
            Value::Text(text) => !text.is_empty(),
            Value::List(items) | Value::Tuple(items) => !items.is_empty(),
            Value::Pairs(pairs) => !pairs.is_empty(),
            Value::Callable(_) | Value::Opaque(_) => true,
        }
    }

    /// Python's `repr`.
    fn repr(&self) -> String {
        match self {
            Value::Text(text) => repr_text(text),
            other => other.to_string(),
        }
    }
}

/// Python's `str`, as `--print-config` shows values; a callable as gunicorn shows one.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let joined = |items: &[Value]| items.iter().map(Value::repr).collect::<Vec<_>>().join(", ");
        match self {
            Value::None => f.write_str("None"),
            Value::Bool(true) => f.write_str("True"),
            Value::Bool(false) => f.write_str("False"),
            Value::Int(value) => write!(f, "{value}"),
            Value::Text(text) | Value::Opaque(text) => f.write_str(text),
            Value::List(items) => write!(f, "[{}]", joined(items)),
            Value::Tuple(items) if items.len() == 1 => write!(f, "({},)", joined(items)),
            Value::Tuple(items) => write!(f, "({})", joined(items)),
            Value::Pairs(pairs) => {
                let pairs: Vec<_> =
                    pairs.iter().map(|(key, value)| format!("{}: {}", repr_text(key), value.repr())).collect();
                write!(f, "{{{}}}", pairs.join(", "))
            }
            Value::Callable(name) => write!(f, "<{name}()>"),
        }
    }
}

/// Python's `repr` of a string: in single quotes, unless it holds those and no double quotes.
fn repr_text(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut out = String::from(quote);
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c == quote => out.extend(['\\', c]),
            c if c.is_control() => {
                // OK because writing to a String cannot fail
                let _ = write!(out, "\\x{:02x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push(quote);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_return_to_json() {
        for json in ["null", "true", "7", r#""a""#, r#"["a", 1]"#, r#"{"A": ["b"]}"#] {
            let json: serde_json::Value = serde_json::from_str(json).unwrap();
            assert_eq!(Value::from_json(&json).to_json(), Some(json));
        }
        let pair = serde_json::json!({"$tuple": ["localhost", 8125]});
        assert_eq!(Value::from_json(&pair).to_json(), Some(serde_json::json!(["localhost", 8125])));
        let hook = Value::Callable("post_fork".to_owned());
        assert_eq!(hook.to_json(), None);
        assert_eq!(Value::Pairs(vec![("a".to_owned(), hook)]).to_json(), None);
    }

    #[test]
    fn values_print_as_in_python() {
        let cases = [
            (r#"null"#, "None"),
            (r#"true"#, "True"),
            (r#"" a'b ""#, " a'b "),
            (r#"["a", "b'c", "d\"e'f", "g\n"]"#, r#"['a', "b'c", 'd"e\'f', 'g\n']"#),
            (r#"{"A": "b", "C": 1}"#, "{'A': 'b', 'C': 1}"),
            (r#"{"$tuple": ["localhost", 8125]}"#, "('localhost', 8125)"),
            (r#"{"$callable": "post_fork"}"#, "<post_fork()>"),
            (r#"[]"#, "[]"),
            (r#"1.5"#, "1.5"),
        ];
        for (json, printed) in cases {
            assert_eq!(Value::from_json(&serde_json::from_str(json).unwrap()).to_string(), printed, "{json}");
        }
    }
}
