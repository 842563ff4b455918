//! From a path and a method to a rule, and from an endpoint and values back to a path.
//!
//! The specification is werkzeug 3.1's `werkzeug.routing`: the same rule syntax, the same weights, the same
//! redirects, without regular expressions. Knows nothing of requests, handlers or responses.

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
