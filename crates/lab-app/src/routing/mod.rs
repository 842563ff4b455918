//! Routing: finds the rule of a path and method, and builds the path of an endpoint and values.
//!
//! The specification is werkzeug 3.1's `werkzeug.routing`: the same rule syntax, weights and redirects, but without
//! regular expressions. Knows nothing of requests, handlers or responses.

mod build;
mod converter;
mod converter_arguments;
mod converter_error;
mod map;
mod parts;
mod rule;
mod value;

pub use build::{BuildError, UrlValues};
pub use converter::Converter;
pub use converter_error::ConverterError;
pub use map::{RouteMatch, RuleMap};
pub use rule::{Rule, RuleError};
pub use value::{FromPathValue, PathValue, Uuid, ValueKind};

#[cfg(test)]
mod tests;
