//! The places of `[placement]`: cores of this machine, or nodes of a swarm.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::document::diagnostic::Problems;
use crate::document::read::{Field, FromToml, Integer, List, wrong_type};

/// The place of the drivers.
#[derive(Debug)]
pub(in crate::scenario) enum LoadPlace {
    /// Cores of this machine.
    Cores(List<Integer>),
    Node(NodePlace),
}

/// A place in a swarm.
#[derive(Debug)]
pub(in crate::scenario) enum NodePlace {
    /// A node's name.
    Named(String),
    Table(NodeTable),
}

/// Labels, or a node's name, with cores.
#[derive(Debug)]
pub(in crate::scenario) struct NodeTable {
    pub(in crate::scenario) node: Field<String>,
    pub(in crate::scenario) cores: Field<List<Integer>>,
    /// Every other key.
    pub(in crate::scenario) labels: Vec<(String, Field<String>)>,
}

const NODE_FORM: &str = "a node's name, or labels such as `{ role = \"server\" }`";

impl FromToml for LoadPlace {
    fn from_toml(value: &Spanned<DeValue<'_>>, what: &str, problems: &mut Problems<'_>) -> Option<Self> {
        match value.get_ref() {
            DeValue::Array(_) => List::from_toml(value, what, problems).map(LoadPlace::Cores),
            DeValue::String(_) | DeValue::Table(_) => NodePlace::from_toml(value, what, problems).map(LoadPlace::Node),
            _ => {
                wrong_type(value, what, &format!("a list of cores, {NODE_FORM}"), problems);
                None
            }
        }
    }
}

impl FromToml for NodePlace {
    fn from_toml(value: &Spanned<DeValue<'_>>, what: &str, problems: &mut Problems<'_>) -> Option<Self> {
        match value.get_ref() {
            DeValue::String(name) => Some(NodePlace::Named(name.clone().into_owned())),
            DeValue::Table(table) => Some(NodePlace::Table(NodeTable::read(table, problems))),
            _ => {
                wrong_type(value, what, NODE_FORM, problems);
                None
            }
        }
    }
}

impl NodeTable {
    fn read(table: &DeTable<'_>, problems: &mut Problems<'_>) -> NodeTable {
        let mut read = NodeTable { node: Field::Absent, cores: Field::Absent, labels: Vec::new() };
        for (key, value) in table {
            let name = key.get_ref().as_ref();
            let what = format!("`{name}`");
            match name {
                "node" => read.node = field(value, &what, problems),
                "cores" => read.cores = field(value, &what, problems),
                label => read.labels.push((label.to_owned(), field(value, &what, problems))),
            }
        }
        read
    }
}

fn field<T: FromToml>(value: &Spanned<DeValue<'_>>, what: &str, problems: &mut Problems<'_>) -> Field<T> {
    match T::from_toml(value, what, problems) {
        Some(read) => Field::Good(Spanned::new(value.span(), read)),
        None => Field::Bad,
    }
}

impl JsonSchema for NodePlace {
    fn schema_name() -> Cow<'static, str> {
        "NodePlace".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A node's name, or a table: `node` and `cores`, or labels that the node must have and `cores`.",
            "anyOf": [
                { "type": "string", "minLength": 1 },
                {
                    "type": "object",
                    "properties": {
                        "node": { "type": "string", "minLength": 1 },
                        "cores": { "type": "array", "items": { "type": "integer" }, "minItems": 1 },
                    },
                    "additionalProperties": { "type": "string" },
                },
            ],
        })
    }
}

impl JsonSchema for LoadPlace {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "LoadPlace".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [
                { "type": "array", "items": { "type": "integer" }, "minItems": 1 },
                generator.subschema_for::<NodePlace>(),
            ],
        })
    }
}
