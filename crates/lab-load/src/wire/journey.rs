//! Journeys: named requests in order, with values extracted from responses for later requests, and the rules each
//! response must satisfy. After a failed step the journey restarts from its first step.
//!
//! The rules are generic over their texts: a scenario's rules hold templates with placeholders, which the harness fills
//! in for each stack; a driver's rules hold plain strings.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

use regex::Regex;
use serde::{Deserialize, Serialize};

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
}

/// The place of a value in a response.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ValueSource {
    /// The first header field of this name.
    Header(String),
    /// The cookie of this name, as the response sets it (RFC 6265 section 5.2).
    Cookie(String),
    /// The string, number or boolean at this JSON pointer (RFC 6901) of the body.
    Json(String),
}

/// The rules for a response; what is absent is not checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepExpectation<T = String> {
    /// The expected status never counts as an error.
    pub status: Option<u16>,
    /// Rules by field name.
    pub headers: Vec<(String, HeaderRule<T>)>,
    pub body: Option<TextRule<T>>,
}

/// A rule for the header fields of one name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HeaderRule<T = String> {
    /// No field of that name.
    Absent,
    /// At least one.
    Present,
    /// Exactly this many.
    Count(u32),
    /// Exactly these, in this order.
    Lines(Vec<TextRule<T>>),
    /// None that contains this text.
    Lacks(T),
}

/// A rule for one text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TextRule<T = String> {
    /// Equal, byte for byte.
    Equal(T),
    Contains(T),
    /// Matches somewhere; anchor the pattern to match the whole text.
    Matches(Pattern),
    /// Does not contain this.
    Lacks(T),
    Empty,
}

/// A regular expression, which is text in a document.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pattern(pub Regex);

impl PartialEq for Pattern {
    fn eq(&self, other: &Pattern) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

impl Eq for Pattern {}

impl TryFrom<String> for Pattern {
    type Error = regex::Error;

    fn try_from(text: String) -> Result<Pattern, regex::Error> {
        Regex::new(&text).map(Pattern)
    }
}

impl From<Pattern> for String {
    fn from(pattern: Pattern) -> String {
        pattern.0.as_str().to_owned()
    }
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

impl<T> HeaderRule<T> {
    fn map<U>(&self, fill: &mut impl FnMut(&T) -> U) -> HeaderRule<U> {
        match self {
            HeaderRule::Absent => HeaderRule::Absent,
            HeaderRule::Present => HeaderRule::Present,
            HeaderRule::Count(count) => HeaderRule::Count(*count),
            HeaderRule::Lines(rules) => HeaderRule::Lines(rules.iter().map(|rule| rule.map(fill)).collect()),
            HeaderRule::Lacks(text) => HeaderRule::Lacks(fill(text)),
        }
    }
}

impl<T> TextRule<T> {
    fn map<U>(&self, fill: &mut impl FnMut(&T) -> U) -> TextRule<U> {
        match self {
            TextRule::Equal(text) => TextRule::Equal(fill(text)),
            TextRule::Contains(text) => TextRule::Contains(fill(text)),
            TextRule::Matches(pattern) => TextRule::Matches(pattern.clone()),
            TextRule::Lacks(text) => TextRule::Lacks(fill(text)),
            TextRule::Empty => TextRule::Empty,
        }
    }
}

impl HeaderRule {
    /// Whether the field values of one name satisfy the rule.
    #[must_use]
    pub fn accepts(&self, lines: &[impl AsRef<str>]) -> bool {
        match self {
            HeaderRule::Absent => lines.is_empty(),
            HeaderRule::Present => !lines.is_empty(),
            HeaderRule::Count(count) => lines.len() == *count as usize,
            HeaderRule::Lines(rules) => {
                rules.len() == lines.len() && rules.iter().zip(lines).all(|(rule, line)| rule.accepts(line.as_ref()))
            }
            HeaderRule::Lacks(text) => lines.iter().all(|line| !line.as_ref().contains(text.as_str())),
        }
    }
}

impl TextRule {
    /// Whether the text satisfies the rule.
    #[must_use]
    pub fn accepts(&self, text: &str) -> bool {
        match self {
            TextRule::Equal(expected) => text == expected,
            TextRule::Contains(part) => text.contains(part.as_str()),
            TextRule::Matches(pattern) => pattern.0.is_match(text),
            TextRule::Lacks(part) => !text.contains(part.as_str()),
            TextRule::Empty => text.is_empty(),
        }
    }
}
