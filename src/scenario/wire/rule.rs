//! What a check says in more than one way: a header line, a rule for a text, a rule for a header's lines.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use toml::Spanned;
use toml::de::DeValue;

use super::{HeaderTable, TextTable};
use crate::document::diagnostic::{Diagnostic, Problems};
use crate::document::read::{FromToml, List, wrong_type};

/// One header line of a request: `["X-A", "1"]`.
#[derive(Debug)]
pub(in crate::scenario) struct HeaderLine {
    /// The name.
    pub(in crate::scenario) name: Spanned<String>,
    /// The value.
    pub(in crate::scenario) value: Spanned<String>,
}

impl FromToml for HeaderLine {
    fn from_toml(value: &Spanned<DeValue<'_>>, what: &str, problems: &mut Problems<'_>) -> Option<Self> {
        let pair = value.get_ref().as_array().map(AsRef::as_ref);
        match pair {
            Some([name, text]) if name.get_ref().is_str() && text.get_ref().is_str() => Some(HeaderLine {
                name: Spanned::new(name.span(), String::from_toml(name, what, problems)?),
                value: Spanned::new(text.span(), String::from_toml(text, what, problems)?),
            }),
            _ => {
                let message = format!("{what} must be a pair of strings, a header's name and its value");
                problems.push(Diagnostic::at(value.span(), message).hint("write `[\"X-Name\", \"value\"]`"));
                None
            }
        }
    }
}

impl JsonSchema for HeaderLine {
    fn schema_name() -> Cow<'static, str> {
        "HeaderLine".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "One header line: a pair of name and value.",
            "type": "array",
            "items": { "type": "string" },
            "minItems": 2,
            "maxItems": 2,
        })
    }
}

/// What is expected of one text.
#[derive(Debug)]
pub(in crate::scenario) enum TextRule {
    /// Equal to this.
    Equal(String),
    /// As the table says.
    Table(TextTable),
}

impl FromToml for TextRule {
    fn from_toml(value: &Spanned<DeValue<'_>>, what: &str, problems: &mut Problems<'_>) -> Option<Self> {
        match value.get_ref() {
            DeValue::String(text) => Some(TextRule::Equal(text.clone().into_owned())),
            DeValue::Table(table) => Some(TextRule::Table(TextTable::from_table(table, value.span(), problems))),
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
            "description": "Equal to a text, which may hold the placeholders `{client}`, `{host}` and `{port}`; or a rule.",
            "anyOf": [{ "type": "string" }, generator.subschema_for::<TextTable>()],
        })
    }
}

/// What is expected of the lines of one header name.
#[derive(Debug)]
pub(in crate::scenario) enum HeaderRule {
    /// Exactly one line, equal to this.
    Line(String),
    /// Exactly these lines, in this order.
    Lines(List<TextRule>),
    /// As the table says.
    Table(HeaderTable),
}

impl FromToml for HeaderRule {
    fn from_toml(value: &Spanned<DeValue<'_>>, what: &str, problems: &mut Problems<'_>) -> Option<Self> {
        match value.get_ref() {
            DeValue::String(text) => Some(HeaderRule::Line(text.clone().into_owned())),
            DeValue::Array(_) => List::from_toml(value, what, problems).map(HeaderRule::Lines),
            DeValue::Table(table) => Some(HeaderRule::Table(HeaderTable::from_table(table, value.span(), problems))),
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
