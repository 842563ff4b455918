//! Rules for texts and header fields.

use regex::Regex;
use serde::{Deserialize, Serialize};

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
    /// None that satisfies this rule.
    Not(TextRule<T>),
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
    /// Does not satisfy this rule.
    Not(Box<TextRule<T>>),
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

impl<T> HeaderRule<T> {
    pub(super) fn map<U>(&self, fill: &mut impl FnMut(&T) -> U) -> HeaderRule<U> {
        match self {
            HeaderRule::Absent => HeaderRule::Absent,
            HeaderRule::Present => HeaderRule::Present,
            HeaderRule::Count(count) => HeaderRule::Count(*count),
            HeaderRule::Lines(rules) => HeaderRule::Lines(rules.iter().map(|rule| rule.map(fill)).collect()),
            HeaderRule::Lacks(text) => HeaderRule::Lacks(fill(text)),
            HeaderRule::Not(rule) => HeaderRule::Not(rule.map(fill)),
        }
    }
}

impl<T> TextRule<T> {
    /// The same rule with its texts mapped.
    #[must_use]
    pub fn map<U>(&self, fill: &mut impl FnMut(&T) -> U) -> TextRule<U> {
        match self {
            TextRule::Equal(text) => TextRule::Equal(fill(text)),
            TextRule::Contains(text) => TextRule::Contains(fill(text)),
            TextRule::Matches(pattern) => TextRule::Matches(pattern.clone()),
            TextRule::Lacks(text) => TextRule::Lacks(fill(text)),
            TextRule::Empty => TextRule::Empty,
            TextRule::Not(rule) => TextRule::Not(Box::new(rule.map(fill))),
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
            HeaderRule::Not(rule) => lines.iter().all(|line| !rule.accepts(line.as_ref())),
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
            TextRule::Not(rule) => !rule.accepts(text),
        }
    }
}
