//! Converts TOML's tree, with the location of every key and value, to typed values.
//!
//! Unlike a derived `Deserialize`, which stops at the first problem, this reports every value of a wrong type and goes on.
//! Callers validate the values.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use toml::Spanned;
use toml::de::DeValue;

use super::diagnostic::{Diagnostic, Problems};
use super::suggest;

/// A value that TOML can hold.
pub(crate) trait FromToml: Sized {
    const IS_TABLE: bool = false;

    /// Reads `value`, which messages call `what`. `None` if it adds to `problems`.
    fn from_toml(value: &Spanned<DeValue<'_>>, what: &str, problems: &mut Problems<'_>) -> Option<Self>;
}

/// The value of a key of a table.
#[derive(Debug, Default)]
pub(crate) enum Field<T> {
    #[default]
    Absent,
    /// The value is invalid and already reported.
    Bad,
    Good(Spanned<T>),
}

impl<T> Field<T> {
    /// A valid value with its location.
    pub(crate) fn good(&self) -> Option<&Spanned<T>> {
        match self {
            Field::Good(value) => Some(value),
            Field::Absent | Field::Bad => None,
        }
    }

    /// A valid value.
    pub(crate) fn value(&self) -> Option<&T> {
        self.good().map(Spanned::get_ref)
    }

    /// Resolves a valid value, or returns `default` if the key is absent. `None` if the value is invalid.
    pub(crate) fn or<U>(&self, default: U, resolve: impl FnOnce(&Spanned<T>) -> Option<U>) -> Option<U> {
        match self {
            Field::Absent => Some(default),
            Field::Bad => None,
            Field::Good(value) => resolve(value),
        }
    }

    pub(crate) fn is_absent(&self) -> bool {
        matches!(self, Field::Absent)
    }
}

pub(crate) fn wrong_type(value: &Spanned<DeValue<'_>>, what: &str, expected: &str, problems: &mut Problems<'_>) {
    let found = match value.get_ref() {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a decimal number",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    };
    problems.push(Diagnostic::at(value.span(), format!("{what} must be {expected}")).label(format!("this is {found}")));
}

impl FromToml for String {
    fn from_toml(value: &Spanned<DeValue<'_>>, what: &str, problems: &mut Problems<'_>) -> Option<Self> {
        let text = value.get_ref().as_str();
        if text.is_none() {
            wrong_type(value, what, "a string", problems);
        }
        text.map(str::to_owned)
    }
}

impl FromToml for bool {
    fn from_toml(value: &Spanned<DeValue<'_>>, what: &str, problems: &mut Problems<'_>) -> Option<Self> {
        let flag = value.get_ref().as_bool();
        if flag.is_none() {
            wrong_type(value, what, "`true` or `false`", problems);
        }
        flag
    }
}

/// A whole number of any size.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Integer(pub(crate) i128);

impl FromToml for Integer {
    fn from_toml(value: &Spanned<DeValue<'_>>, what: &str, problems: &mut Problems<'_>) -> Option<Self> {
        let Some(integer) = value.get_ref().as_integer() else {
            wrong_type(value, what, "a whole number", problems);
            return None;
        };
        let number = i128::from_str_radix(integer.as_str(), integer.radix()).ok();
        if number.is_none() {
            problems.push(Diagnostic::at(value.span(), format!("{what} is a number beyond all bounds")));
        }
        number.map(Integer)
    }
}

impl JsonSchema for Integer {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Integer".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "integer" })
    }
}

/// A list. Invalid items are reported and left out; a list that contains only invalid items is invalid.
#[derive(Debug)]
pub(crate) struct List<T>(pub(crate) Vec<Spanned<T>>);

impl<T: FromToml> FromToml for List<T> {
    fn from_toml(value: &Spanned<DeValue<'_>>, what: &str, problems: &mut Problems<'_>) -> Option<Self> {
        let items = match value.get_ref() {
            DeValue::Array(items) => items,
            DeValue::Table(_) if T::IS_TABLE => {
                let message = format!("{what} must be a list of tables");
                let hint = format!("there may be several: write `[[{}]]`", what.trim_matches('`'));
                problems.push(Diagnostic::at(value.span(), message).label("this is one table").hint(hint));
                return None;
            }
            _ => {
                wrong_type(value, what, "a list", problems);
                return None;
            }
        };
        let item_name = format!("an item of {what}");
        let read: Vec<_> = items
            .iter()
            .filter_map(|item| Some(Spanned::new(item.span(), T::from_toml(item, &item_name, problems)?)))
            .collect();
        (items.is_empty() || !read.is_empty()).then_some(List(read))
    }
}

impl<T: JsonSchema> JsonSchema for List<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("ListOf{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "array", "items": generator.subschema_for::<T>() })
    }
}

/// A table with arbitrary keys, in the file's order.
#[derive(Debug)]
pub(crate) struct ByName<T>(pub(crate) Vec<(Spanned<String>, Field<T>)>);

impl<T: FromToml> FromToml for ByName<T> {
    fn from_toml(value: &Spanned<DeValue<'_>>, what: &str, problems: &mut Problems<'_>) -> Option<Self> {
        let Some(table) = value.get_ref().as_table() else {
            wrong_type(value, what, "a table", problems);
            return None;
        };
        let mut entries: Vec<_> = table.iter().collect();
        // The parser sorts keys by name; reports follow the file.
        entries.sort_by_key(|(key, _)| key.span().start);
        let read = entries.into_iter().map(|(key, value)| {
            let name = Spanned::new(key.span(), key.get_ref().clone().into_owned());
            let field = match T::from_toml(value, &format!("`{}`", key.get_ref()), problems) {
                Some(read) => Field::Good(Spanned::new(value.span(), read)),
                None => Field::Bad,
            };
            (name, field)
        });
        Some(ByName(read.collect()))
    }
}

impl<T: JsonSchema> JsonSchema for ByName<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("{}ByName", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "object", "additionalProperties": generator.subschema_for::<T>() })
    }
}

/// A closed set of words.
pub(crate) trait Word: Copy + 'static {
    /// The noun for the words in messages: `proxy kind`.
    const WHAT: &'static str;
    const ALL: &'static [(&'static str, Self)];
}

/// One word of the set `W`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OneOf<W>(pub(crate) W);

impl<W: Word> FromToml for OneOf<W> {
    fn from_toml(value: &Spanned<DeValue<'_>>, what: &str, problems: &mut Problems<'_>) -> Option<Self> {
        let text = String::from_toml(value, what, problems)?;
        let found = W::ALL.iter().find(|(word, _)| *word == text);
        if found.is_none() {
            let words: Vec<_> = W::ALL.iter().map(|(word, _)| *word).collect();
            let message = format!("unknown {} `{text}`", W::WHAT);
            problems.push(Diagnostic::at(value.span(), message).hint(suggest::accepted(&text, &words)));
        }
        found.map(|(_, meaning)| OneOf(*meaning))
    }
}

impl<W: Word> JsonSchema for OneOf<W> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        W::WHAT.into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let words: Vec<_> = W::ALL.iter().map(|(word, _)| *word).collect();
        json_schema!({ "type": "string", "enum": words })
    }
}
