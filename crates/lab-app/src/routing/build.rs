//! Builds the path of an endpoint and values, for `url_for`.

use http::Method;

use super::map::RuleMap;
use super::rule::{CompiledRule, Trace};
use super::value::PathValue;
use crate::url::{self, PATH, QUERY_VALUE};

/// The values for building a URL, by variable name.
pub type UrlValues<'a> = [(&'a str, PathValue)];

/// The reason why no URL can be built (`werkzeug.routing.BuildError`).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    /// No rule has this endpoint.
    #[error("could not build a url for the endpoint `{endpoint}`: the endpoints are {known}")]
    UnknownEndpoint {
        endpoint: String,
        /// The existing endpoints.
        known: String,
    },
    /// No rule of the endpoint fits the values.
    #[error("could not build a url for the endpoint `{endpoint}` with the values {given}: it takes {variables}")]
    Values {
        endpoint: String,
        /// The names of the values given.
        given: String,
        /// The variables of the endpoint's first rule.
        variables: String,
    },
}

impl RuleMap {
    /// The percent-encoded path of an endpoint. Values without a variable in the rule become the query.
    ///
    /// As in werkzeug, rules for GET are preferred, and among them the one with the most variables.
    ///
    /// # Errors
    /// The endpoint is unknown, or the values fit none of its rules.
    pub fn build(&self, endpoint: &str, values: &UrlValues<'_>) -> Result<String, BuildError> {
        let Some(candidates) = self.by_endpoint.get(endpoint) else {
            let mut known: Vec<&str> = self.by_endpoint.keys().map(String::as_str).collect();
            known.sort_unstable();
            return Err(BuildError::UnknownEndpoint { endpoint: endpoint.to_owned(), known: names(known) });
        };
        let rules = || candidates.iter().map(|index| &self.rules[*index]);
        let for_get = rules().filter(|rule| rule.methods.contains(&Method::GET));
        let suitable = for_get
            .chain(rules())
            .find(|rule| rule.variables.iter().all(|(name, _)| values.iter().any(|(given, _)| given == name)));
        suitable.and_then(|rule| build(rule, values)).ok_or_else(|| BuildError::Values {
            endpoint: endpoint.to_owned(),
            given: names(values.iter().map(|(name, _)| *name)),
            variables: names(rules().take(1).flat_map(|rule| rule.variables.iter().map(|(name, _)| name.as_str()))),
        })
    }
}

/// Builds the path of a rule; `None` if a converter does not accept its value.
fn build(rule: &CompiledRule, values: &UrlValues<'_>) -> Option<String> {
    let mut path = String::new();
    for step in &rule.trace {
        match step {
            Trace::Literal(literal) => path.push_str(&url::quote(literal, PATH)),
            Trace::Variable(index) => {
                let (name, converter) = &rule.variables[*index];
                let (_, value) = values.iter().find(|(given, _)| given == name)?;
                path.push_str(&converter.to_url(value)?);
            }
        }
    }
    let unknown = values.iter().filter(|(name, _)| !rule.variables.iter().any(|(variable, _)| variable == name));
    for (position, (name, value)) in unknown.enumerate() {
        path.push(if position == 0 { '?' } else { '&' });
        path.push_str(&url::quote_plus(name, QUERY_VALUE));
        path.push('=');
        path.push_str(&url::quote_plus(&value.to_string(), QUERY_VALUE));
    }
    Some(path)
}

fn names<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
