//! Values of JSON documents, written in TOML, and rules for them.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use toml::Spanned;
use toml::de::DeValue;

use super::JsonTable;
use crate::document::diagnostic::Problems;
use crate::document::read::{FromToml, Integer, wrong_type};

/// A JSON value.
#[derive(Debug)]
pub(in crate::scenario) enum JsonValue {
    Text(Spanned<String>),
    Integer(Spanned<Integer>),
    Decimal(f64),
    Boolean(bool),
    List(Vec<JsonValue>),
    Object(Vec<(String, JsonValue)>),
}

impl FromToml for JsonValue {
    fn from_toml(value: &Spanned<DeValue<'_>>, what: &str, problems: &mut Problems<'_>) -> Option<Self> {
        match value.get_ref() {
            DeValue::String(text) => Some(JsonValue::Text(Spanned::new(value.span(), text.clone().into_owned()))),
            DeValue::Integer(_) => {
                let number = Integer::from_toml(value, what, problems)?;
                Some(JsonValue::Integer(Spanned::new(value.span(), number)))
            }
            DeValue::Float(number) => match number.as_str().replace('_', "").parse() {
                Ok(number) if f64::is_finite(number) => Some(JsonValue::Decimal(number)),
                _ => {
                    wrong_type(value, what, "a value that JSON has", problems);
                    None
                }
            },
            DeValue::Boolean(flag) => Some(JsonValue::Boolean(*flag)),
            DeValue::Datetime(_) => {
                wrong_type(value, what, "a value that JSON has: write it as a string", problems);
                None
            }
            DeValue::Array(items) => {
                let items: Vec<_> = items.iter().map(|item| JsonValue::from_toml(item, what, problems)).collect();
                items.into_iter().collect::<Option<_>>().map(JsonValue::List)
            }
            DeValue::Table(table) => {
                let members = table.iter().map(|(name, value)| {
                    Some((name.get_ref().clone().into_owned(), JsonValue::from_toml(value, what, problems)?))
                });
                members.collect::<Vec<_>>().into_iter().collect::<Option<_>>().map(JsonValue::Object)
            }
        }
    }
}

impl JsonSchema for JsonValue {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "JsonValue".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!(true)
    }
}

/// The expectation of a value at one place of a JSON document.
#[derive(Debug)]
pub(in crate::scenario) enum JsonRule {
    Equal(JsonValue),
    Table(Box<JsonTable>),
}

impl FromToml for JsonRule {
    fn from_toml(value: &Spanned<DeValue<'_>>, what: &str, problems: &mut Problems<'_>) -> Option<Self> {
        match value.get_ref() {
            DeValue::Table(table) => {
                let table = JsonTable::from_table(table, value.span(), problems);
                Some(JsonRule::Table(Box::new(table)))
            }
            _ => JsonValue::from_toml(value, what, problems).map(JsonRule::Equal),
        }
    }
}

impl JsonSchema for JsonRule {
    fn schema_name() -> Cow<'static, str> {
        "JsonRule".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A value to equal, whose texts may have placeholders; or a rule.",
            "anyOf": [
                { "type": ["string", "number", "boolean", "array"] },
                generator.subschema_for::<JsonTable>(),
            ],
        })
    }
}
