//! Rules that can be written in several ways: for a status code, a text, the lines of a header.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use toml::Spanned;
use toml::de::DeValue;

use super::{HeaderTable, TextTable};
use crate::document::diagnostic::Problems;
use crate::document::read::{FromToml, Integer, List, OneOf, wrong_type};
use crate::scenario::model::CacheStatus;

/// The expectation of a status code.
#[derive(Debug)]
pub(in crate::scenario) enum ExpectedStatus {
    Code(Integer),
    /// As written: `2xx`.
    Classes(Vec<Spanned<String>>),
}

impl FromToml for ExpectedStatus {
    fn from_toml(value: &Spanned<DeValue<'_>>, what: &str, problems: &mut Problems<'_>) -> Option<Self> {
        match value.get_ref() {
            DeValue::Integer(_) => Integer::from_toml(value, what, problems).map(ExpectedStatus::Code),
            DeValue::String(text) => {
                let text = Spanned::new(value.span(), text.clone().into_owned());
                Some(ExpectedStatus::Classes(vec![text]))
            }
            DeValue::Array(_) => List::from_toml(value, what, problems).map(|list| ExpectedStatus::Classes(list.0)),
            _ => {
                wrong_type(value, what, "a whole number, a class such as `\"2xx\"`, or a list of classes", problems);
                None
            }
        }
    }
}

impl JsonSchema for ExpectedStatus {
    fn schema_name() -> Cow<'static, str> {
        "ExpectedStatus".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A status code, a class of codes, or a list of classes.",
            "anyOf": [
                { "type": "integer", "minimum": 100, "maximum": 599 },
                { "type": "string", "pattern": "^[1-5]xx$" },
                { "type": "array", "items": { "type": "string", "pattern": "^[1-5]xx$" }, "minItems": 1 },
            ],
        })
    }
}

/// The expectation of cache statuses.
#[derive(Debug)]
pub(in crate::scenario) enum CacheStatuses {
    Last(CacheStatus),
    Each(List<OneOf<CacheStatus>>),
}

impl FromToml for CacheStatuses {
    fn from_toml(value: &Spanned<DeValue<'_>>, what: &str, problems: &mut Problems<'_>) -> Option<Self> {
        match value.get_ref() {
            DeValue::String(_) => OneOf::from_toml(value, what, problems).map(|word| CacheStatuses::Last(word.0)),
            DeValue::Array(items) => {
                let list = List::from_toml(value, what, problems)?;
                // an item that is left out is reported already
                (list.0.len() == items.len()).then_some(CacheStatuses::Each(list))
            }
            _ => {
                wrong_type(value, what, "a cache status such as `\"hit\"`, or a list of them", problems);
                None
            }
        }
    }
}

impl JsonSchema for CacheStatuses {
    fn schema_name() -> Cow<'static, str> {
        "CacheStatuses".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let word = generator.subschema_for::<OneOf<CacheStatus>>();
        json_schema!({
            "description": "The cache status of the last response, or of each.",
            "anyOf": [word.clone(), { "type": "array", "items": word, "minItems": 1 }],
        })
    }
}

/// The expectation of one text.
#[derive(Debug)]
pub(in crate::scenario) enum TextRule {
    Equal(String),
    Table(Box<TextTable>),
}

impl FromToml for TextRule {
    fn from_toml(value: &Spanned<DeValue<'_>>, what: &str, problems: &mut Problems<'_>) -> Option<Self> {
        match value.get_ref() {
            DeValue::String(text) => Some(TextRule::Equal(text.clone().into_owned())),
            DeValue::Table(table) => {
                let table = TextTable::from_table(table, value.span(), problems);
                Some(TextRule::Table(Box::new(table)))
            }
            _ => {
                wrong_type(value, what, "a string or a rule such as `{ matches = \"…\" }`", problems);
                None
            }
        }
    }
}

impl JsonSchema for TextRule {
    fn schema_name() -> Cow<'static, str> {
        "TextRule".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A text to equal, with the placeholders `{client}`, `{host}` and `{port}`; or a rule.",
            "anyOf": [{ "type": "string" }, generator.subschema_for::<TextTable>()],
        })
    }
}

/// The expectation of the lines of one header name.
#[derive(Debug)]
pub(in crate::scenario) enum HeaderRule {
    /// Exactly one line, equal to this.
    Line(String),
    /// Exactly these lines, in this order.
    Lines(List<TextRule>),
    Table(Box<HeaderTable>),
}

impl FromToml for HeaderRule {
    fn from_toml(value: &Spanned<DeValue<'_>>, what: &str, problems: &mut Problems<'_>) -> Option<Self> {
        match value.get_ref() {
            DeValue::String(text) => Some(HeaderRule::Line(text.clone().into_owned())),
            DeValue::Array(_) => List::from_toml(value, what, problems).map(HeaderRule::Lines),
            DeValue::Table(table) => {
                let table = HeaderTable::from_table(table, value.span(), problems);
                Some(HeaderRule::Table(Box::new(table)))
            }
            _ => {
                let expected = "a string, a list of lines, or a rule such as `{ matches = \"…\" }`";
                wrong_type(value, what, expected, problems);
                None
            }
        }
    }
}

impl JsonSchema for HeaderRule {
    fn schema_name() -> Cow<'static, str> {
        "HeaderRule".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Exactly one line equal to a text; exactly these lines in this order; or a rule.",
            "anyOf": [
                { "type": "string" },
                { "type": "array", "items": generator.subschema_for::<TextRule>(), "minItems": 1 },
                generator.subschema_for::<HeaderTable>(),
            ],
        })
    }
}
