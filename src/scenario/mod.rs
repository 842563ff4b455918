//! The scenario file: a private serde mirror of the TOML, resolved into a validated model.

pub mod model;
