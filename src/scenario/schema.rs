//! The JSON Schema of scenario files, for editors to complete and check from.

use schemars::generate::SchemaSettings;

use super::wire;

/// The schema as JSON text: draft 7, which is what TOML editors understand.
///
/// It says which keys there are, their types, bounds and defaults; what one value has to do with another is only
/// checked by [`load`](super::load()).
#[must_use]
pub fn schema() -> String {
    let schema = SchemaSettings::draft07().into_generator().into_root_schema_for::<wire::Scenario>();
    let mut text = format!("{:#}", schema.as_value());
    text.push('\n');
    text
}
