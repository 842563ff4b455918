//! The app of a stack: one of the scenario's, or its own.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use toml::Spanned;
use toml::de::DeValue;

use super::AppTable;
use crate::catalog::kind::Interface;
use crate::document::diagnostic::Problems;
use crate::document::read::{FromToml, OneOf, wrong_type};

#[derive(Debug)]
pub(in crate::scenario) enum StackApp {
    /// The app of `[app]` with this interface.
    Interface(Interface),
    Own(Box<Spanned<AppTable>>),
}

impl FromToml for StackApp {
    fn from_toml(value: &Spanned<DeValue<'_>>, what: &str, problems: &mut Problems<'_>) -> Option<Self> {
        match value.get_ref() {
            DeValue::String(_) => {
                OneOf::<Interface>::from_toml(value, what, problems).map(|word| StackApp::Interface(word.0))
            }
            DeValue::Table(table) => {
                let table = AppTable::from_table(table, value.span(), problems);
                Some(StackApp::Own(Box::new(Spanned::new(value.span(), table))))
            }
            _ => {
                wrong_type(value, what, "`\"wsgi\"`, `\"asgi\"`, `\"native\"`, or a table such as `[app]`", problems);
                None
            }
        }
    }
}

impl JsonSchema for StackApp {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "StackApp".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [generator.subschema_for::<OneOf<Interface>>(), generator.subschema_for::<AppTable>()],
        })
    }
}
