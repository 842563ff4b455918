//! Parts of a request that can be written in several ways: header lines, bodies, the fields of a form.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use toml::Spanned;
use toml::de::DeValue;

use super::{FileBody, PartTable};
use crate::document::diagnostic::{Diagnostic, Problems};
use crate::document::read::{FromToml, List, wrong_type};

/// One header line of a request: `["X-A", "1"]`.
#[derive(Debug)]
pub(in crate::scenario) struct HeaderLine {
    pub(in crate::scenario) name: Spanned<String>,
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

/// Header lines: `{ X-A = "1", X-B = ["2", "3"] }`, or `[["X-A", "1"], ["X-B", "2"]]`.
#[derive(Debug)]
pub(in crate::scenario) struct Headers(pub(in crate::scenario) Vec<HeaderLine>);

impl FromToml for Headers {
    fn from_toml(value: &Spanned<DeValue<'_>>, what: &str, problems: &mut Problems<'_>) -> Option<Self> {
        let table = match value.get_ref() {
            DeValue::Array(_) => {
                let lines = List::<HeaderLine>::from_toml(value, what, problems)?;
                return Some(Headers(lines.0.into_iter().map(Spanned::into_inner).collect()));
            }
            DeValue::Table(table) => table,
            _ => {
                wrong_type(value, what, "a table of header lines, or a list of pairs", problems);
                return None;
            }
        };
        let mut entries: Vec<_> = table.iter().collect();
        // The parser sorts keys by name; lines are sent as in the file.
        entries.sort_by_key(|(name, _)| name.span().start);
        let mut lines = Vec::new();
        for (key, value) in entries {
            let what = format!("`{}`", key.get_ref());
            for value in texts(value, &what, problems)? {
                let name = Spanned::new(key.span(), key.get_ref().clone().into_owned());
                lines.push(HeaderLine { name, value });
            }
        }
        Some(Headers(lines))
    }
}

impl JsonSchema for Headers {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Headers".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [
                { "type": "object", "additionalProperties": text_or_texts() },
                { "type": "array", "items": generator.subschema_for::<HeaderLine>() },
            ],
        })
    }
}

/// A text, or a list of texts.
fn texts(value: &Spanned<DeValue<'_>>, what: &str, problems: &mut Problems<'_>) -> Option<Vec<Spanned<String>>> {
    match value.get_ref() {
        DeValue::String(text) => Some(vec![Spanned::new(value.span(), text.clone().into_owned())]),
        DeValue::Array(_) => List::from_toml(value, what, problems).map(|list| list.0),
        _ => {
            wrong_type(value, what, "a string or a list of strings", problems);
            None
        }
    }
}

fn text_or_texts() -> Schema {
    json_schema!({ "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }] })
}

/// The body of a request.
#[derive(Debug)]
pub(in crate::scenario) enum Body {
    Text(String),
    File(FileBody),
}

impl FromToml for Body {
    fn from_toml(value: &Spanned<DeValue<'_>>, what: &str, problems: &mut Problems<'_>) -> Option<Self> {
        match value.get_ref() {
            DeValue::String(text) => Some(Body::Text(text.clone().into_owned())),
            DeValue::Table(table) => Some(Body::File(FileBody::from_table(table, value.span(), problems))),
            _ => {
                wrong_type(value, what, "a string, or a file as `{ file = \"…\" }`", problems);
                None
            }
        }
    }
}

impl JsonSchema for Body {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Body".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [{ "type": "string" }, generator.subschema_for::<FileBody>()] })
    }
}

/// A text, or several in order.
#[derive(Debug)]
pub(in crate::scenario) struct Texts(pub(in crate::scenario) Vec<Spanned<String>>);

impl FromToml for Texts {
    fn from_toml(value: &Spanned<DeValue<'_>>, what: &str, problems: &mut Problems<'_>) -> Option<Self> {
        texts(value, what, problems).map(Texts)
    }
}

impl JsonSchema for Texts {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Texts".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        text_or_texts()
    }
}

/// The parts of one name of a multipart body, in order.
#[derive(Debug)]
pub(in crate::scenario) struct PartValue(pub(in crate::scenario) Vec<Spanned<PartContent>>);

#[derive(Debug)]
pub(in crate::scenario) enum PartContent {
    Text(String),
    Table(PartTable),
}

impl FromToml for PartValue {
    fn from_toml(value: &Spanned<DeValue<'_>>, what: &str, problems: &mut Problems<'_>) -> Option<Self> {
        match value.get_ref() {
            DeValue::Array(_) => List::from_toml(value, what, problems).map(|list| PartValue(list.0)),
            _ => {
                let content = PartContent::from_toml(value, what, problems)?;
                Some(PartValue(vec![Spanned::new(value.span(), content)]))
            }
        }
    }
}

impl FromToml for PartContent {
    fn from_toml(value: &Spanned<DeValue<'_>>, what: &str, problems: &mut Problems<'_>) -> Option<Self> {
        match value.get_ref() {
            DeValue::String(text) => Some(PartContent::Text(text.clone().into_owned())),
            DeValue::Table(table) => Some(PartContent::Table(PartTable::from_table(table, value.span(), problems))),
            _ => {
                wrong_type(value, what, "a string, or a file as `{ file = \"…\" }`", problems);
                None
            }
        }
    }
}

impl JsonSchema for PartValue {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "PartValue".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let part = generator.subschema_for::<PartTable>();
        json_schema!({
            "anyOf": [
                { "type": "string" },
                part.clone(),
                { "type": "array", "items": { "anyOf": [{ "type": "string" }, part] }, "minItems": 1 },
            ],
        })
    }
}
