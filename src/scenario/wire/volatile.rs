//! An item of `[snapshot] volatile`: a field, a JSON pointer, or a filter.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use toml::Spanned;
use toml::de::DeValue;

use crate::document::diagnostic::Problems;
use crate::document::read::{FromToml, wrong_type};
use crate::document::table::wire_table;

wire_table! {
    /// Replaces text in values of fields and in text bodies.
    Filter in "the filter" {
        /// A regular expression. Each of its matches is replaced.
        required matches: String,
        /// The replacement, which may name groups of the expression: `$1`, `${name}`.
        optional replacement: String = { "default": "{volatile}" },
    }
}

#[derive(Debug)]
pub(in crate::scenario) enum VolatileItem {
    /// A field's name, or a JSON pointer.
    Name(String),
    Filter(Filter),
}

impl FromToml for VolatileItem {
    fn from_toml(value: &Spanned<DeValue<'_>>, what: &str, problems: &mut Problems<'_>) -> Option<Self> {
        match value.get_ref() {
            DeValue::String(text) => Some(VolatileItem::Name(text.clone().into_owned())),
            DeValue::Table(table) => Some(VolatileItem::Filter(Filter::from_table(table, value.span(), problems))),
            _ => {
                let expected = "a field's name, a JSON pointer, or a filter such as `{ matches = \"…\" }`";
                wrong_type(value, what, expected, problems);
                None
            }
        }
    }
}

impl JsonSchema for VolatileItem {
    fn schema_name() -> Cow<'static, str> {
        "VolatileItem".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A field's name, a JSON pointer into bodies, or a filter.",
            "anyOf": [{ "type": "string" }, generator.subschema_for::<Filter>()],
        })
    }
}
