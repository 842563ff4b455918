//! What differs between two responses of one application to one request, and the `[snapshot] volatile` that leaves it out.
//! Pure.

use std::fmt::Write as _;

use lab_load::wire::Pattern;
use regex::Regex;
use serde_json::Value;

use super::diff::Difference;
use super::observed::Observed;
use super::volatile::replace;
use crate::scenario::model::{Filter, Volatile};

/// How many characters around a varying part a filter keeps.
const CONTEXT: usize = 24;
/// How many letters or digits tell a place in a text from others.
const IDENTIFYING: usize = 3;

/// The least volatile list with which both responses have the same value of the field in which they differ. `None` if no
/// list does, as for a status.
#[must_use]
pub fn volatile(difference: &Difference, first: &Observed, again: &Observed) -> Option<Volatile> {
    let field = difference.field.as_str();
    let found = match field.strip_prefix("upstream.headers.").or_else(|| field.strip_prefix("headers.")) {
        Some(name) => Volatile { fields: vec![name.to_owned()], ..Volatile::default() },
        None if field == "body" && !first.is_binary && !again.is_binary => body(&first.body, &again.body)?,
        None => return None,
    };
    let [first, again] = [first, again].map(|observed| replace(&found, observed.clone()));
    let remains = super::diff::differences(&first, &again).iter().any(|other| other.field == difference.field);
    (!remains).then_some(found)
}

fn body(first: &str, again: &str) -> Option<Volatile> {
    let parsed = [first, again].map(|text| serde_json::from_str::<Value>(text).ok());
    if let [Some(first @ (Value::Object(_) | Value::Array(_))), Some(again)] = &parsed {
        let mut pointers = Vec::new();
        different_parts(first, again, "", &mut pointers);
        // The empty pointer is the whole body, which would leave nothing to compare.
        let has_parts = pointers.iter().all(|pointer| !pointer.is_empty());
        return has_parts.then(|| Volatile { pointers, ..Volatile::default() });
    }
    let filters = different_texts(first, again)?;
    Some(Volatile { filters, ..Volatile::default() })
}

/// JSON pointers (RFC 6901) to the smallest parts that both documents have, with different values.
fn different_parts(first: &Value, again: &Value, at: &str, found: &mut Vec<String>) {
    match (first, again) {
        _ if first == again => {}
        (Value::Object(a), Value::Object(b)) if a.keys().eq(b.keys()) => {
            for (key, value) in a {
                let name = key.replace('~', "~0").replace('/', "~1");
                different_parts(value, &b[key], &format!("{at}/{name}"), found);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (index, (one, other)) in a.iter().zip(b).enumerate() {
                different_parts(one, other, &format!("{at}/{index}"), found);
            }
        }
        _ => found.push(at.to_owned()),
    }
}

/// A filter for each line in which two texts of as many lines differ.
fn different_texts(first: &str, again: &str) -> Option<Vec<Filter>> {
    let (a, b): (Vec<&str>, Vec<&str>) = (first.lines().collect(), again.lines().collect());
    if a.len() != b.len() {
        return None;
    }
    let mut filters: Vec<Filter> = Vec::new();
    for (one, other) in a.iter().zip(&b).filter(|(one, other)| one != other) {
        let filter = different_words(one, other)?;
        if !filters.contains(&filter) {
            filters.push(filter);
        }
    }
    Some(filters)
}

/// A filter for the words in which two lines differ; `None` unless they have the same text between their words. Texts
/// around and between the varying words identify them, and are kept.
fn different_words(one: &str, other: &str) -> Option<Filter> {
    let (a, b) = (words(one), words(other));
    let pairs: Vec<_> = a.iter().zip(&b).map(|((one, is_word), (other, _))| (*one, *other, *is_word)).collect();
    let differs = |(one, other, _): &(&str, &str, bool)| one != other;
    if a.len() != b.len() || pairs.iter().any(|pair| differs(pair) && !pair.2) {
        return None;
    }
    let (first, last) = (pairs.iter().position(differs)?, pairs.iter().rposition(differs)?);
    let text = |pairs: &[(&str, &str, bool)]| pairs.iter().map(|(one, ..)| *one).collect::<String>();
    let before: Vec<char> = text(&pairs[..first]).chars().collect();
    let after: Vec<char> = text(&pairs[last + 1..]).chars().collect();
    let before: String = before[before.len().saturating_sub(CONTEXT)..].iter().collect();
    let after: String = after[..after.len().min(CONTEXT)].iter().collect();
    let identifies = |text: &str| text.chars().filter(|character| character.is_alphanumeric()).count() >= IDENTIFYING;
    let mut builder = PatternBuilder::default();
    builder.keep(&before);
    for run in pairs[first..=last].chunk_by(|one, other| differs(one) == differs(other)) {
        match run {
            [(one, other, _)] if one != other => builder.vary(one, other),
            fixed => builder.keep(&text(fixed)),
        }
    }
    let (start, end) = match (identifies(&before), identifies(&after)) {
        (true, _) => ("", ""),
        (false, true) => {
            builder.keep(&after);
            ("", "")
        }
        // Nothing else on the line may match.
        (false, false) => {
            builder.keep(&after);
            ("(?m)^", "$")
        }
    };
    let matches = Pattern(Regex::new(&format!("{start}{}{end}", builder.pattern)).ok()?);
    Some(Filter { matches, replacement: builder.replacement })
}

/// A regular expression and its replacement, part by part.
#[derive(Default)]
struct PatternBuilder {
    pattern: String,
    replacement: String,
    groups: usize,
}

impl PatternBuilder {
    fn keep(&mut self, text: &str) {
        if !text.is_empty() {
            self.groups += 1;
            let _ = write!(self.pattern, "({})", regex::escape(text));
            let _ = write!(self.replacement, "${{{}}}", self.groups);
        }
    }

    /// A word that can look like either.
    fn vary(&mut self, one: &str, other: &str) {
        let are_all = |test: fn(&char) -> bool| one.chars().chain(other.chars()).all(|character| test(&character));
        self.pattern.push_str(match () {
            () if are_all(char::is_ascii_digit) => "[0-9]+",
            () if are_all(char::is_ascii_hexdigit) && one.len() == other.len() => "[0-9a-fA-F]+",
            () => r"\w+",
        });
        self.replacement.push_str(Volatile::MARKER);
    }
}

/// The line as words (letters, digits, `_`) and the text between them.
fn words(line: &str) -> Vec<(&str, bool)> {
    let is_word = |character: char| character.is_alphanumeric() || character == '_';
    let mut parts: Vec<(&str, bool)> = Vec::new();
    let mut rest = line;
    while let Some(first) = rest.chars().next() {
        let kind = is_word(first);
        let end = rest.find(|character| is_word(character) != kind).unwrap_or(rest.len());
        let (part, after) = rest.split_at(end);
        parts.push((part, kind));
        rest = after;
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::super::diff::differences;
    use super::*;

    fn response(value: &str, body: &str) -> Observed {
        Observed {
            status: 200,
            reason: "OK".to_owned(),
            headers: vec![
                ("X-Draw".to_owned(), value.to_owned()),
                ("Content-Length".to_owned(), body.len().to_string()),
            ],
            body: body.to_owned(),
            is_binary: false,
            framing_error: None,
            conditional: Vec::new(),
        }
    }

    /// The line that leaves out all differences between two responses.
    fn line(first: &Observed, again: &Observed) -> Option<String> {
        let mut all = Volatile::default();
        for difference in differences(first, again) {
            all.add(volatile(&difference, first, again)?);
        }
        let [first, again] = [first, again].map(|observed| replace(&all, observed.clone()));
        assert_eq!(differences(&first, &again), []);
        Some(all.line())
    }

    #[test]
    fn varying_parts_have_the_least_list() {
        let same = "Pong!";
        for (first, again, expected) in [
            (response("1", same), response("2", same), r#"volatile = ["X-Draw"]"#),
            (
                response("1", r#"{"a/b": [1, {"id": 7}], "c": 1}"#),
                response("1", r#"{"a/b": [1, {"id": 8}], "c": 1}"#),
                r#"volatile = ["/a~1b/1/id"]"#,
            ),
            (response("1", r#"{"a": [1]}"#), response("1", r#"{"a": [1, 2]}"#), r#"volatile = ["/a"]"#),
            (
                response("1", "<p>\nmade in 9 ms by w1\n</p>"),
                response("1", "<p>\nmade in 12 ms by w1\n</p>"),
                r#"volatile = [{ matches = "(made in )[0-9]+", replacement = "${1}{volatile}" }]"#,
            ),
            (
                response("1", "id: 00ff-0a, and more"),
                response("1", "id: 1234-bc, and more"),
                r#"volatile = [{ matches = '(id: )[0-9a-fA-F]+(\-)[0-9a-fA-F]+(, and more)', replacement = "${1}{volatile}${2}{volatile}${3}" }]"#,
            ),
            (
                response("1", "7 of spades"),
                response("1", "10 of spades"),
                r#"volatile = [{ matches = "[0-9]+( of spades)", replacement = "{volatile}${1}" }]"#,
            ),
            (
                response("1", "one\n= k3!"),
                response("1", "one\n= zz!"),
                r#"volatile = [{ matches = '(?m)^(= )\w+(!)$', replacement = "${1}{volatile}${2}" }]"#,
            ),
        ] {
            let found = line(&first, &again).unwrap();
            let parsed = |text: &str| text.parse::<toml::Table>().unwrap();
            assert_eq!(parsed(&found), parsed(expected), "{found}");
        }
    }

    #[test]
    fn other_differences_have_none() {
        let first = response("1", "one line");
        for again in [
            Observed { status: 500, ..first.clone() },
            response("1", "two\nlines"),
            response("1", "one, line"),
            Observed { body: "[1]".to_owned(), ..first.clone() },
        ] {
            assert_eq!(line(&first, &again), None, "{again:?}");
        }
    }
}
