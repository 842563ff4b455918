//! The JSON Schema of scenario files, for editors.

use schemars::generate::SchemaSettings;

use super::wire;

/// The schema as JSON text, in draft 7, which TOML editors support.
///
/// It defines keys, types, bounds and defaults. Only [`load`](super::load()) checks the relations between values.
#[must_use]
pub fn schema() -> String {
    let schema = SchemaSettings::draft07().into_generator().into_root_schema_for::<wire::Scenario>();
    let mut text = format!("{:#}", schema.as_value());
    text.push('\n');
    text
}
