//! Tables with a closed set of keys. One macro derives a table's type, its reader and its JSON Schema from the same list.

use std::borrow::Cow;

use schemars::{JsonSchema, SchemaGenerator};
use toml::Spanned;
use toml::de::DeTable;

use super::diagnostic::{Diagnostic, Problems, Span};
use super::read::{Field, FromToml};
use super::suggest;

/// A table with a closed set of keys.
pub(crate) trait Table {
    /// Whether the table has unknown keys. They are reported, so a missing key need not be.
    fn has_unknown_keys(&self) -> bool;
}

/// A table being read key by key.
pub(crate) struct TableReader<'t, 'i, 'p, 's> {
    table: &'t DeTable<'i>,
    span: Span,
    place: &'static str,
    known: Vec<&'static str>,
    missing: Vec<(&'static str, String)>,
    problems: &'p mut Problems<'s>,
}

impl<'t, 'i, 'p, 's> TableReader<'t, 'i, 'p, 's> {
    /// `place` is the name of the table in messages.
    pub(crate) fn new(table: &'t DeTable<'i>, span: Span, place: &'static str, problems: &'p mut Problems<'s>) -> Self {
        TableReader { table, span, place, known: Vec::new(), missing: Vec::new(), problems }
    }

    pub(crate) fn optional<T: FromToml>(&mut self, key: &'static str, _description: &[&str]) -> Field<T> {
        self.field(key)
    }

    /// Reads a required key. `description` is for the message if it is missing.
    pub(crate) fn required<T: FromToml>(&mut self, key: &'static str, description: &[&str]) -> Field<T> {
        let field = self.field(key);
        if field.is_absent() {
            self.missing.push((key, paragraph(description)));
            return Field::Bad;
        }
        field
    }

    fn field<T: FromToml>(&mut self, key: &'static str) -> Field<T> {
        self.known.push(key);
        let Some(value) = self.table.get(key) else { return Field::Absent };
        match T::from_toml(value, &format!("`{key}`"), self.problems) {
            Some(read) => Field::Good(Spanned::new(value.span(), read)),
            None => Field::Bad,
        }
    }

    /// Reports missing and unknown keys. Returns whether there were unknown ones.
    pub(crate) fn finish(self) -> bool {
        if !self.missing.is_empty() {
            let names: Vec<_> = self.missing.iter().map(|(key, _)| *key).collect();
            let keys = if names.len() == 1 { "key" } else { "keys" };
            let message = format!("missing {keys} {} in {}", suggest::quoted(&names), self.place);
            let hint: Vec<_> =
                self.missing.iter().map(|(key, text)| format!("`{key}`: {}", suggest::in_a_sentence(text))).collect();
            self.problems.push(Diagnostic::at(self.span, message).hint(hint.join("\n")));
        }
        let is_unknown = |key: &&Spanned<Cow<'_, str>>| !self.known.contains(&key.get_ref().as_ref());
        for key in self.table.keys().filter(is_unknown) {
            self.problems.push_with(|| {
                let message = format!("unknown key `{}` in {}", key.get_ref(), self.place);
                let hint = suggest::accepted(key.get_ref(), &self.known);
                Diagnostic::at(key.span(), message).hint(hint)
            });
        }
        self.table.keys().any(|key| is_unknown(&key))
    }
}

/// The JSON Schema of one key: the schema of its type, its description, and `extra`.
pub(crate) fn property<T: JsonSchema>(
    generator: &mut SchemaGenerator,
    description: &str,
    extra: serde_json::Value,
) -> serde_json::Value {
    let mut schema = generator.subschema_for::<T>();
    schema.insert("description".to_owned(), description.into());
    if let serde_json::Value::Object(extra) = extra {
        schema.ensure_object().extend(extra);
    }
    schema.to_value()
}

/// The lines of a doc comment as one paragraph.
pub(crate) fn paragraph(lines: &[&str]) -> String {
    lines.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ")
}

/// Defines a table of a document: its type, its reader, and its JSON Schema.
///
/// `= { … }` after the type of a key extends the key's schema (bounds, default); after the keys, it extends the table's.
macro_rules! wire_table {
    ($(#[doc = $doc:literal])+
     $name:ident in $place:literal {
        $($(#[doc = $key_doc:literal])+ $need:ident $key:ident: $type:ty $(= { $($extra:tt)* })?,)+
     } $(= { $($table_extra:tt)* })?) => {
        $(#[doc = $doc])+
        #[derive(Debug, Default)]
        pub(crate) struct $name {
            $($(#[doc = $key_doc])+ pub(crate) $key: $crate::document::read::Field<$type>,)+
            has_unknown_keys: bool,
        }

        impl $name {
            /// Reads the keys of `table`.
            pub(crate) fn from_table(
                table: &toml::de::DeTable<'_>,
                span: $crate::document::diagnostic::Span,
                problems: &mut $crate::document::diagnostic::Problems<'_>,
            ) -> Self {
                let mut reader = $crate::document::table::TableReader::new(table, span, $place, problems);
                $(let $key = reader.$need(stringify!($key), &[$($key_doc),+]);)+
                $name { $($key,)+ has_unknown_keys: reader.finish() }
            }
        }

        impl $crate::document::table::Table for $name {
            fn has_unknown_keys(&self) -> bool {
                self.has_unknown_keys
            }
        }

        impl $crate::document::read::FromToml for $name {
            const IS_TABLE: bool = true;

            fn from_toml(
                value: &toml::Spanned<toml::de::DeValue<'_>>,
                what: &str,
                problems: &mut $crate::document::diagnostic::Problems<'_>,
            ) -> Option<Self> {
                let Some(table) = value.get_ref().as_table() else {
                    $crate::document::read::wrong_type(value, what, "a table", problems);
                    return None;
                };
                Some($name::from_table(table, value.span(), problems))
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                use $crate::document::table::{paragraph, property};
                let mut properties = serde_json::Map::new();
                let mut required: Vec<&str> = Vec::new();
                $(
                    let extra = serde_json::json!({ $($($extra)*)? });
                    let key = stringify!($key);
                    properties.insert(key.to_owned(), property::<$type>(generator, &paragraph(&[$($key_doc),+]), extra));
                    if stringify!($need) == "required" {
                        required.push(key);
                    }
                )+
                let mut schema = schemars::json_schema!({
                    "description": paragraph(&[$($doc),+]),
                    "type": "object",
                    "properties": properties,
                    "additionalProperties": false,
                });
                if !required.is_empty() {
                    schema.insert("required".to_owned(), required.into());
                }
                if let serde_json::Value::Object(extra) = serde_json::json!({ $($($table_extra)*)? }) {
                    schema.ensure_object().extend(extra);
                }
                schema
            }
        }
    };
}
pub(crate) use wire_table;
