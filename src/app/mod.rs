//! The Flask-style framework and the sample app.
//!
//! A small framework in Flask's vocabulary, whose specification is what Flask 3.1 and werkzeug 3.1 do, and a tower
//! `Service`, so that anything that hosts one can host it. Knows nothing of scenarios, stacks, checks or servers.

pub mod routing;
pub mod url;

pub use routing::{BuildError, Converter, ConverterError, Matched, PathValue, Rule, RuleError, RuleMap, Uuid};
