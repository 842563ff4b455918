//! Journeys: named requests in order, with values extracted from responses for later requests, and the rules each
//! response must satisfy. After a failed step the journey restarts from its first step.
//!
//! The rules are generic over their texts: a scenario's rules hold templates with placeholders, which the harness fills
//! in for each stack; a driver's rules hold plain strings.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::json_query::JsonQuery;
use super::rule::{HeaderRule, Pattern, TextRule};

/// One request of a journey.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step<T = String> {
    /// Unique within the journey.
    pub name: String,
    pub method: String,
    /// The request target, from `/` on.
    pub target: StepText,
    /// Header fields in addition to those of every request.
    pub headers: Vec<(String, StepText)>,
    /// Empty means no body.
    pub body: StepText,
    /// The number of consecutive sends.
    pub times: NonZeroU32,
    /// The pause after each request.
    #[serde(rename = "think_us", with = "super::micros")]
    pub think: Duration,
    pub extract: Vec<Extraction>,
    pub expect: StepExpectation<T>,
}

/// A text with values from earlier responses.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepText(pub Vec<TextPiece>);

/// A piece of a [`StepText`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TextPiece {
    Literal(String),
    /// The value of this name.
    Value(String),
}

/// A value to take from a response.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extraction {
    /// Its name in later steps.
    pub name: String,
    pub from: ValueSource,
    /// Narrows the value to the first group of the first match, or to the whole match if the expression has no group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub matches: Option<Pattern>,
}

/// The place of a value in a response.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ValueSource {
    /// The first header field of this name.
    Header(String),
    /// The cookie of this name, as the response sets it (RFC 6265 section 5.2).
    Cookie(String),
    /// The string, number or boolean in a JSON body.
    Json(JsonQuery),
    /// The whole body, as text.
    Body,
}

impl Extraction {
    /// The value in a response; None if the response does not have it. `lines` returns the values of all header lines of a
    /// name.
    #[must_use]
    pub fn find(&self, lines: &dyn Fn(&str) -> Vec<String>, body: &str) -> Option<String> {
        let text = self.from.find(lines, body)?;
        let Some(pattern) = &self.matches else { return Some(text) };
        let groups = pattern.0.captures(&text)?;
        groups.get(1).or_else(|| groups.get(0)).map(|found| found.as_str().to_owned())
    }

    /// Whether the value is in the body.
    #[must_use]
    pub fn needs_body(&self) -> bool {
        matches!(self.from, ValueSource::Json(_) | ValueSource::Body)
    }
}

impl ValueSource {
    fn find(&self, lines: &dyn Fn(&str) -> Vec<String>, body: &str) -> Option<String> {
        match self {
            ValueSource::Header(name) => lines(name).into_iter().next(),
            ValueSource::Cookie(name) => lines("set-cookie").iter().find_map(|line| {
                let (found, value) = line.split(';').next()?.split_once('=')?;
                (found.trim() == name).then(|| value.trim().to_owned())
            }),
            ValueSource::Json(query) => {
                let document: serde_json::Value = serde_json::from_str(body).ok()?;
                match query.find(&document)?.into_owned() {
                    serde_json::Value::String(text) => Some(text),
                    value @ (serde_json::Value::Number(_) | serde_json::Value::Bool(_)) => Some(value.to_string()),
                    _ => None,
                }
            }
            ValueSource::Body => Some(body.to_owned()),
        }
    }
}

/// The rules for a response; absent ones are not checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepExpectation<T = String> {
    /// The expected status never counts as an error.
    pub status: Option<u16>,
    /// Rules by field name.
    pub headers: Vec<(String, HeaderRule<T>)>,
    pub body: Option<TextRule<T>>,
}

/// Extracted values by name.
pub type Values = BTreeMap<String, String>;

impl StepText {
    /// The text with its values filled in.
    ///
    /// # Errors
    /// The name of a value that no step has extracted.
    pub fn fill(&self, values: &Values) -> Result<String, String> {
        let mut text = String::new();
        for piece in &self.0 {
            match piece {
                TextPiece::Literal(literal) => text.push_str(literal),
                TextPiece::Value(name) => text.push_str(values.get(name).ok_or_else(|| name.clone())?),
            }
        }
        Ok(text)
    }
}

impl fmt::Display for StepText {
    /// As in the scenario file: values in braces, literal braces doubled.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for piece in &self.0 {
            match piece {
                TextPiece::Literal(text) => f.write_str(&text.replace('{', "{{").replace('}', "}}"))?,
                TextPiece::Value(name) => write!(f, "{{{name}}}")?,
            }
        }
        Ok(())
    }
}

impl<T> Step<T> {
    /// The same step with every text of its rules mapped.
    #[must_use]
    pub fn map_rules<U>(&self, mut fill: impl FnMut(&T) -> U) -> Step<U> {
        let StepExpectation { status, headers, body } = &self.expect;
        Step {
            name: self.name.clone(),
            method: self.method.clone(),
            target: self.target.clone(),
            headers: self.headers.clone(),
            body: self.body.clone(),
            times: self.times,
            think: self.think,
            extract: self.extract.clone(),
            expect: StepExpectation {
                status: *status,
                headers: headers.iter().map(|(name, rule)| (name.clone(), rule.map(&mut fill))).collect(),
                body: body.as_ref().map(|rule| rule.map(&mut fill)),
            },
        }
    }
}

/// Expects nothing.
impl<T> Default for StepExpectation<T> {
    fn default() -> StepExpectation<T> {
        StepExpectation { status: None, headers: Vec::new(), body: None }
    }
}
