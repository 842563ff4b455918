//! Evaluates rules for values of a JSON document. Pure.

use serde_json::{Number, Value};

use super::words::quoted;
use crate::scenario::model::{JsonRule, Placeholders};

/// Whether the value at a place satisfies the rule; None is no value.
pub(super) fn accepts(rule: &JsonRule, value: Option<&Value>, values: &Placeholders) -> bool {
    let Some(value) = value else {
        return match rule {
            JsonRule::Absent => true,
            JsonRule::Not(rule) => !accepts(rule, None, values),
            _ => false,
        };
    };
    match rule {
        JsonRule::Equal(expected) => is_equal(&expected.fill(values), value),
        JsonRule::Contains(text) => {
            let part = text.fill(values);
            match value {
                Value::String(text) => text.contains(&part),
                Value::Array(items) => items.iter().any(|item| item.as_str() == Some(&part)),
                _ => false,
            }
        }
        JsonRule::Text(rule) => {
            let rule = rule.map(&mut |text| text.fill(values));
            match value {
                Value::String(text) => rule.accepts(text),
                Value::Number(_) | Value::Bool(_) => rule.accepts(&value.to_string()),
                Value::Null | Value::Array(_) | Value::Object(_) => false,
            }
        }
        JsonRule::Empty => size(value) == Some(0),
        JsonRule::Null => value.is_null(),
        JsonRule::Absent => false,
        JsonRule::Present => true,
        JsonRule::Count(count) => !value.is_string() && size(value) == Some(*count),
        JsonRule::AtLeast(least) => as_number(value).zip(least.as_f64()).is_some_and(|(value, least)| value >= least),
        JsonRule::AtMost(most) => as_number(value).zip(most.as_f64()).is_some_and(|(value, most)| value <= most),
        JsonRule::Not(rule) => !accepts(rule, Some(value), values),
    }
}

/// The rule in words.
pub(super) fn words(rule: &JsonRule, values: &Placeholders) -> String {
    match rule {
        JsonRule::Equal(expected) => shown(&expected.fill(values)),
        JsonRule::Contains(text) => format!("a text or list with {}", quoted(&text.fill(values))),
        JsonRule::Text(rule) => super::words::rule(rule, values),
        JsonRule::Empty => "an empty text, list or object".to_owned(),
        JsonRule::Null => "null".to_owned(),
        JsonRule::Absent => "no such value".to_owned(),
        JsonRule::Present => "any value".to_owned(),
        JsonRule::Count(count) => format!("a list or object of {count}"),
        JsonRule::AtLeast(least) => format!("{least} or above"),
        JsonRule::AtMost(most) => format!("{most} or below"),
        JsonRule::Not(rule) => format!("not {}", words(rule, values)),
    }
}

/// A value as findings show it.
pub(super) fn shown(value: &Value) -> String {
    let text = value.to_string();
    if value.is_string() || text.chars().count() <= super::words::SHOWN_CHARS { text } else { quoted(&text) }
}

/// The characters of a text, the items of a list, the members of an object.
fn size(value: &Value) -> Option<usize> {
    match value {
        Value::String(text) => Some(text.len()),
        Value::Array(items) => Some(items.len()),
        Value::Object(members) => Some(members.len()),
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

fn as_number(value: &Value) -> Option<f64> {
    value.as_number().and_then(Number::as_f64)
}

/// JSON has one kind of number: 1 is equal to 1.0.
fn is_equal(expected: &Value, value: &Value) -> bool {
    match (expected, value) {
        (Value::Number(a), Value::Number(b)) => a == b || (a.is_f64() != b.is_f64() && a.as_f64() == b.as_f64()),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_equal(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(name, a)| b.get(name).is_some_and(|b| is_equal(a, b)))
        }
        _ => expected == value,
    }
}

#[cfg(test)]
mod tests {
    use lab_load::wire::Pattern;
    use serde_json::json;

    use super::*;
    use crate::scenario::model::{JsonTemplate, TextRule, TextTemplate};

    fn values() -> Placeholders {
        Placeholders::new("127.0.0.1", "h", 1)
    }

    #[test]
    fn rules_accept_values() {
        let text = |text: &str| TextTemplate::literal(text);
        let number = |number: i64| JsonTemplate::Number(number.into());
        let matches = |pattern: &str| JsonRule::Text(TextRule::Matches(Pattern::try_from(pattern.to_owned()).unwrap()));
        let list = JsonRule::Equal(JsonTemplate::List(vec![number(1), JsonTemplate::Text(text("a"))]));
        let object = JsonRule::Equal(JsonTemplate::Object(vec![("a".to_owned(), number(1))]));
        for (rule, good, bad) in [
            (JsonRule::Equal(number(3)), json!(3.0), json!("3")),
            (JsonRule::Equal(JsonTemplate::Boolean(true)), json!(true), json!(1)),
            (list, json!([1, "a"]), json!([1, "a", 2])),
            (object, json!({"a": 1}), json!({"a": 1, "b": 2})),
            (JsonRule::Contains(text("b")), json!("abc"), json!("ac")),
            (JsonRule::Contains(text("b")), json!(["a", "b"]), json!(["abc"])),
            (matches("^1[0-9]$"), json!(17), json!([17])),
            (JsonRule::Empty, json!([]), json!(null)),
            (JsonRule::Null, json!(null), json!(0)),
            (JsonRule::Count(2), json!([0, 0]), json!("ab")),
            (JsonRule::AtLeast(3.into()), json!(3), json!(2.9)),
            (JsonRule::AtMost(3.into()), json!(3), json!("1")),
            (JsonRule::Not(Box::new(JsonRule::Null)), json!(1), json!(null)),
        ] {
            assert!(accepts(&rule, Some(&good), &values()), "{rule:?} {good}");
            assert!(!accepts(&rule, Some(&bad), &values()), "{rule:?} {bad}");
        }
    }

    #[test]
    fn missing_value_is_only_absent() {
        assert!(accepts(&JsonRule::Absent, None, &values()));
        assert!(accepts(&JsonRule::Not(Box::new(JsonRule::Present)), None, &values()));
        for rule in [JsonRule::Present, JsonRule::Null, JsonRule::Empty] {
            assert!(!accepts(&rule, None, &values()), "{rule:?}");
        }
    }
}
