//! Journeys: named requests in order, with what is taken from one answer into later requests, and what each answer
//! must be.
//!
//! Pure: it says what to send and judges what came back. A journey that fails somewhere begins anew, as a person would.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;

use regex::Regex;
use reqwest::header::HeaderMap;
use serde::{Deserialize, Serialize};

use crate::exchange::class_of_status;
use crate::ledger::ErrorClass;

/// One request of a journey.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Its name, in reports.
    pub name: String,
    /// The method.
    pub method: String,
    /// The request target, from `/` on.
    pub target: Text,
    /// Header lines beside those of every request.
    pub headers: Vec<(String, Text)>,
    /// The body; empty is none.
    pub body: Text,
    /// How often it is asked in a row.
    pub times: NonZeroU32,
    /// The pause behind it.
    #[serde(rename = "think_us", with = "crate::protocol::as_micros")]
    pub think: Duration,
    /// What is taken from its answer.
    pub extract: Vec<Extract>,
    /// What its answer must be.
    pub expect: StepExpectation,
}

/// A text with values from earlier answers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Text(pub Vec<Piece>);

/// A piece of a [`Text`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Piece {
    /// As it is.
    Literal(String),
    /// The value of this name.
    Value(String),
}

/// A value to take from an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extract {
    /// The name it goes by in later steps.
    pub name: String,
    /// Where it stands.
    pub from: Source,
}

/// Where a value stands in an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// The first header line of this name.
    Header(String),
    /// The cookie of this name, as the answer sets it (RFC 6265 §5.2).
    Cookie(String),
    /// The string, number or boolean at this JSON pointer (RFC 6901) of the body.
    Json(String),
}

/// What an answer must be; what is not named is not looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepExpectation {
    /// The status. One that is expected is no error, whatever it is.
    pub status: Option<u16>,
    /// Header lines, by name.
    pub headers: Vec<(String, HeaderRule)>,
    /// The body.
    pub body: Option<TextRule>,
}

/// What the lines of one header name must be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HeaderRule {
    /// No line.
    Absent,
    /// At least one.
    Present,
    /// So many.
    Count(u32),
    /// Exactly these, in this order.
    Lines(Vec<TextRule>),
}

/// What a text must be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TextRule {
    /// Equal.
    Equal(String),
    /// Holds this.
    Contains(String),
    /// Matches this regular expression somewhere.
    Matches(Pattern),
    /// Holds nothing.
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

/// An answer, as far as a step looks at it.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its header lines.
    pub headers: HeaderMap,
    /// Its body; empty if the step does not look at it.
    pub body: Vec<u8>,
}

/// Values by name.
pub type Values = BTreeMap<String, String>;

impl Text {
    /// The text with its values, or the name of one that nothing was taken for.
    ///
    /// # Errors
    /// A value is missing.
    pub fn fill(&self, values: &Values) -> Result<String, String> {
        let mut text = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Literal(literal) => text.push_str(literal),
                Piece::Value(name) => text.push_str(values.get(name).ok_or_else(|| name.clone())?),
            }
        }
        Ok(text)
    }
}

impl Step {
    /// Whether the body is looked at, or only read.
    #[must_use]
    pub fn wants_body(&self) -> bool {
        self.expect.body.is_some() || self.extract.iter().any(|extract| matches!(extract.from, Source::Json(_)))
    }

    /// Judges an answer and takes values from it.
    ///
    /// # Errors
    /// The class of the failure: a status that is an error and not expected, else `check-failed`.
    pub fn judge(&self, answer: &Answer, values: &mut Values) -> Result<(), ErrorClass> {
        if self.expect.status != Some(answer.status) {
            if let Some(class) = class_of_status(answer.status) {
                return Err(class);
            }
            if self.expect.status.is_some() {
                return Err(ErrorClass::CheckFailed);
            }
        }
        let body = String::from_utf8_lossy(&answer.body);
        let headers_agree = self.expect.headers.iter().all(|(name, rule)| {
            let lines = answer.headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
            rule.agrees(&lines.collect::<Vec<_>>())
        });
        if !headers_agree || self.expect.body.as_ref().is_some_and(|rule| !rule.agrees(&body)) {
            return Err(ErrorClass::CheckFailed);
        }
        for Extract { name, from } in &self.extract {
            let value = from.find(answer, &body).ok_or(ErrorClass::CheckFailed)?;
            values.insert(name.clone(), value);
        }
        Ok(())
    }
}

impl Source {
    fn find(&self, answer: &Answer, body: &str) -> Option<String> {
        let text = |value: &reqwest::header::HeaderValue| value.to_str().ok().map(str::to_owned);
        match self {
            Source::Header(name) => text(answer.headers.get(name)?),
            Source::Cookie(name) => {
                let mut lines = answer.headers.get_all("set-cookie").iter().filter_map(|line| line.to_str().ok());
                lines.find_map(|line| {
                    let (found, value) = line.split(';').next()?.split_once('=')?;
                    (found.trim() == name).then(|| value.trim().to_owned())
                })
            }
            Source::Json(pointer) => {
                let document: serde_json::Value = serde_json::from_str(body).ok()?;
                match document.pointer(pointer)? {
                    serde_json::Value::String(text) => Some(text.clone()),
                    value @ (serde_json::Value::Number(_) | serde_json::Value::Bool(_)) => Some(value.to_string()),
                    _ => None,
                }
            }
        }
    }
}

impl HeaderRule {
    fn agrees(&self, lines: &[impl AsRef<str>]) -> bool {
        match self {
            HeaderRule::Absent => lines.is_empty(),
            HeaderRule::Present => !lines.is_empty(),
            HeaderRule::Count(count) => lines.len() == *count as usize,
            HeaderRule::Lines(rules) => {
                rules.len() == lines.len() && rules.iter().zip(lines).all(|(rule, line)| rule.agrees(line.as_ref()))
            }
        }
    }
}

impl TextRule {
    fn agrees(&self, text: &str) -> bool {
        match self {
            TextRule::Equal(expected) => text == expected,
            TextRule::Contains(part) => text.contains(part.as_str()),
            TextRule::Matches(pattern) => pattern.0.is_match(text),
            TextRule::Empty => text.is_empty(),
        }
    }
}

#[cfg(test)]
mod tests {
    use reqwest::header::{HeaderName, HeaderValue};

    use super::*;

    fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Answer {
        let line = |(name, value): &(&str, &str)| {
            (HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap())
        };
        Answer { status, headers: headers.iter().map(line).collect(), body: body.as_bytes().to_vec() }
    }

    fn step(expect: StepExpectation, extract: &[(&str, Source)]) -> Step {
        Step {
            name: "step".into(),
            method: "GET".into(),
            target: Text(vec![Piece::Literal("/".into())]),
            headers: Vec::new(),
            body: Text::default(),
            times: NonZeroU32::MIN,
            think: Duration::ZERO,
            extract: extract.iter().map(|(name, from)| Extract { name: (*name).into(), from: from.clone() }).collect(),
            expect,
        }
    }

    fn judged(expect: StepExpectation, answer: &Answer) -> Result<(), ErrorClass> {
        step(expect, &[]).judge(answer, &mut Values::new())
    }

    #[test]
    fn a_status_is_an_error_unless_it_is_expected() {
        let of = |status| StepExpectation { status, ..StepExpectation::default() };
        assert_eq!(judged(of(None), &answer(302, &[], "")), Ok(()));
        assert_eq!(judged(of(None), &answer(404, &[], "")), Err(ErrorClass::Status4xx));
        assert_eq!(judged(of(Some(404)), &answer(404, &[], "")), Ok(()));
        assert_eq!(judged(of(Some(200)), &answer(500, &[], "")), Err(ErrorClass::Status5xx));
        assert_eq!(judged(of(Some(200)), &answer(302, &[], "")), Err(ErrorClass::CheckFailed));
    }

    #[test]
    fn an_answer_that_is_not_as_expected_is_a_failed_check() {
        let matches = |pattern: &str| TextRule::Matches(Pattern::try_from(pattern.to_owned()).unwrap());
        for (rule, agrees) in [
            (TextRule::Equal("Pong!".into()), true),
            (TextRule::Equal("Pong".into()), false),
            (TextRule::Contains("ong".into()), true),
            (matches("^P.*!$"), true),
            (matches("^x"), false),
            (TextRule::Empty, false),
        ] {
            let expect = StepExpectation { body: Some(rule.clone()), ..StepExpectation::default() };
            let wanted = if agrees { Ok(()) } else { Err(ErrorClass::CheckFailed) };
            assert_eq!(judged(expect, &answer(200, &[], "Pong!")), wanted, "{rule:?}");
        }
        for (name, rule, agrees) in [
            ("via", HeaderRule::Absent, true),
            ("X-A", HeaderRule::Absent, false),
            ("x-a", HeaderRule::Present, true),
            ("x-a", HeaderRule::Count(2), true),
            ("x-a", HeaderRule::Lines(vec![TextRule::Equal("1".into()), TextRule::Equal("2".into())]), true),
            ("x-a", HeaderRule::Lines(vec![TextRule::Equal("2".into())]), false),
        ] {
            let expect = StepExpectation { headers: vec![(name.into(), rule.clone())], ..StepExpectation::default() };
            let wanted = if agrees { Ok(()) } else { Err(ErrorClass::CheckFailed) };
            assert_eq!(judged(expect, &answer(200, &[("X-A", "1"), ("X-A", "2")], "")), wanted, "{rule:?}");
        }
    }

    #[test]
    fn values_are_taken_and_filled_in() {
        let sources = [
            ("location", Source::Header("Location".into())),
            ("session", Source::Cookie("id".into())),
            ("id", Source::Json("/items/1/id".into())),
        ];
        let headers = [("Location", "/next"), ("Set-Cookie", "a=1"), ("Set-Cookie", "id=xyz; Path=/; HttpOnly")];
        let good = answer(200, &headers, r#"{"items":[{},{"id":7}]}"#);
        let mut values = Values::new();
        step(StepExpectation::default(), &sources).judge(&good, &mut values).unwrap();
        let piece = |name: &str| Piece::Value(name.to_owned());
        let text = Text(vec![piece("location"), Piece::Literal("?".into()), piece("session"), piece("id")]);
        assert_eq!(text.fill(&values), Ok("/next?xyz7".to_owned()));
        assert_eq!(text.fill(&Values::new()), Err("location".to_owned()));

        for (at, broken) in
            [answer(200, &[], ""), answer(200, &headers[..1], ""), answer(200, &headers, "{}")].iter().enumerate()
        {
            let judged = step(StepExpectation::default(), &sources).judge(broken, &mut Values::new());
            assert_eq!(judged, Err(ErrorClass::CheckFailed), "{at}");
        }
    }
}
