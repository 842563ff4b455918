//! Resolves rules for texts and for the lines of a header.

use lab_load::wire::Pattern;
use regex::Regex;
use toml::Spanned;

use super::super::model::{HeaderRule, TextRule, TextTemplate};
use super::super::wire;
use super::values::{Unique, header_name, template, whole};
use crate::document::diagnostic::{Diagnostic, Problems, Span};
use crate::document::read::{ByName, Field, Integer};
use crate::document::suggest;
use crate::document::table::Table;

/// More lines of one name than any server lets through.
const MOST_LINES: u32 = 1_000;

pub(super) fn header_rules(
    wire: &ByName<wire::HeaderRule>,
    extracted: &[String],
    problems: &mut Problems<'_>,
) -> Option<Vec<(String, HeaderRule)>> {
    let mut names = Unique::new("header");
    let resolved: Vec<_> = wire
        .0
        .iter()
        .map(|(name, rule)| {
            // RFC 9110, section 5.1: header names have no case.
            names.add_without_case(name, problems);
            let name = header_name(name, problems);
            let rule = rule.good().and_then(|rule| header_rule(rule, extracted, problems));
            Some((name?, rule?))
        })
        .collect();
    resolved.into_iter().collect()
}

pub(super) fn header_rule(
    wire: &Spanned<wire::HeaderRule>,
    extracted: &[String],
    problems: &mut Problems<'_>,
) -> Option<HeaderRule> {
    let one_line = |rule: TextRule| HeaderRule::Lines(vec![rule]);
    match wire.get_ref() {
        wire::HeaderRule::Line(text) => equal(text, wire.span(), extracted, problems).map(one_line),
        wire::HeaderRule::Lines(lines) if lines.0.is_empty() => {
            let hint = "write `{ absent = true }` to expect no line of this name";
            problems.push(Diagnostic::at(wire.span(), "no lines are listed").hint(hint));
            None
        }
        wire::HeaderRule::Lines(lines) => {
            let resolved: Vec<_> = lines.0.iter().map(|line| text_rule(line, extracted, problems)).collect();
            resolved.into_iter().collect::<Option<Vec<_>>>().map(HeaderRule::Lines)
        }
        wire::HeaderRule::Table(rule) => {
            let keys = [
                ("contains", span_of(&rule.contains)),
                ("matches", span_of(&rule.matches)),
                ("lacks", span_of(&rule.lacks)),
                ("empty", span_of(&rule.empty)),
                ("absent", span_of(&rule.absent)),
                ("present", span_of(&rule.present)),
                ("count", span_of(&rule.count)),
                ("not", span_of(&rule.not)),
            ];
            match exactly_one(&keys, wire.span(), rule.has_unknown_keys(), problems)? {
                "contains" => contains(&rule.contains, extracted, problems).map(TextRule::Contains).map(one_line),
                "matches" => matches(&rule.matches, problems).map(one_line),
                "lacks" => lacks(&rule.lacks, extracted, problems).map(HeaderRule::Lacks),
                "empty" => only_true(&rule.empty, "empty", problems).map(|()| one_line(TextRule::Empty)),
                "absent" => only_true(&rule.absent, "absent", problems).map(|()| HeaderRule::Absent),
                "present" => only_true(&rule.present, "present", problems).map(|()| HeaderRule::Present),
                "not" => text_rule(rule.not.good()?, extracted, problems).map(HeaderRule::Not),
                _ => count(&rule.count, problems),
            }
        }
    }
}

fn count(field: &Field<Integer>, problems: &mut Problems<'_>) -> Option<HeaderRule> {
    let number = field.good()?;
    if number.get_ref().0 == 0 {
        let hint = "write `{ absent = true }` to expect no line of this name";
        problems.push(Diagnostic::at(number.span(), "`count` cannot be 0").hint(hint));
        return None;
    }
    whole(number, "`count`", 1..=MOST_LINES, problems).map(HeaderRule::Count)
}

/// The rule of an optional key: `Some(None)` if the key is missing, `None` after a problem.
pub(super) fn optional_text_rule(
    field: &Field<wire::TextRule>,
    extracted: &[String],
    problems: &mut Problems<'_>,
) -> Option<Option<TextRule>> {
    field.or(None, |rule| text_rule(rule, extracted, problems).map(Some))
}

fn text_rule(wire: &Spanned<wire::TextRule>, extracted: &[String], problems: &mut Problems<'_>) -> Option<TextRule> {
    match wire.get_ref() {
        wire::TextRule::Equal(text) => equal(text, wire.span(), extracted, problems),
        wire::TextRule::Table(rule) => {
            let keys = [
                ("contains", span_of(&rule.contains)),
                ("matches", span_of(&rule.matches)),
                ("lacks", span_of(&rule.lacks)),
                ("empty", span_of(&rule.empty)),
                ("not", span_of(&rule.not)),
            ];
            match exactly_one(&keys, wire.span(), rule.has_unknown_keys(), problems)? {
                "contains" => contains(&rule.contains, extracted, problems).map(TextRule::Contains),
                "matches" => matches(&rule.matches, problems),
                "lacks" => lacks(&rule.lacks, extracted, problems).map(TextRule::Lacks),
                "not" => text_rule(rule.not.good()?, extracted, problems).map(|rule| TextRule::Not(Box::new(rule))),
                _ => only_true(&rule.empty, "empty", problems).map(|()| TextRule::Empty),
            }
        }
    }
}

fn equal(text: &str, span: Span, extracted: &[String], problems: &mut Problems<'_>) -> Option<TextRule> {
    template(&Spanned::new(span, text.to_owned()), extracted, problems).map(TextRule::Equal)
}

pub(super) fn contains(
    field: &Field<String>,
    extracted: &[String],
    problems: &mut Problems<'_>,
) -> Option<TextTemplate> {
    let text = field.good()?;
    if text.get_ref().is_empty() {
        let message = "`contains` is empty, and every text contains that";
        problems.push(Diagnostic::at(text.span(), message).hint("write `{ empty = true }` to expect an empty text"));
        return None;
    }
    template(text, extracted, problems)
}

pub(super) fn lacks(field: &Field<String>, extracted: &[String], problems: &mut Problems<'_>) -> Option<TextTemplate> {
    let text = field.good()?;
    if text.get_ref().is_empty() {
        let message = "`lacks` is empty, and every text contains that";
        problems.push(Diagnostic::at(text.span(), message).hint("write the text that must not be there"));
        return None;
    }
    template(text, extracted, problems)
}

pub(super) fn matches(field: &Field<String>, problems: &mut Problems<'_>) -> Option<TextRule> {
    regular_expression(field.good()?, problems).map(TextRule::Matches)
}

/// A regular expression of Rust's regex crate.
pub(super) fn regular_expression(pattern: &Spanned<String>, problems: &mut Problems<'_>) -> Option<Pattern> {
    match Regex::new(pattern.get_ref()) {
        Ok(regex) => Some(Pattern(regex)),
        Err(error) => {
            let reason = match error {
                regex::Error::CompiledTooBig(limit) => format!("compiled, it would take more than {limit} bytes"),
                // The text of a syntax error repeats the pattern, which the diagnostic shows as well. The last line is the reason.
                other => other.to_string().lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned(),
            };
            let hint = "accepted: the syntax of Rust's regex crate, without look-around and back-references";
            problems.push(Diagnostic::at(pattern.span(), format!("not a regular expression: {reason}")).hint(hint));
            None
        }
    }
}

pub(super) fn only_true(field: &Field<bool>, key: &str, problems: &mut Problems<'_>) -> Option<()> {
    let flag = field.good()?;
    if !*flag.get_ref() {
        let message = format!("`{key}` can only be `true`");
        problems.push(Diagnostic::at(flag.span(), message).hint("leave it out otherwise"));
        return None;
    }
    Some(())
}

/// The position of a key's value. Empty if the value is invalid, `None` if the key is absent.
pub(super) fn span_of<T>(field: &Field<T>) -> Option<Span> {
    match field {
        Field::Absent => None,
        Field::Bad => Some(0..0),
        Field::Good(value) => Some(value.span()),
    }
}

/// The only key of a rule. Reports a rule with no key or several.
pub(super) fn exactly_one<'k>(
    keys: &[(&'k str, Option<Span>)],
    rule: Span,
    has_unknown_keys: bool,
    problems: &mut Problems<'_>,
) -> Option<&'k str> {
    let given: Vec<_> = keys.iter().filter(|(_, span)| span.is_some()).map(|(key, _)| *key).collect();
    let all: Vec<_> = keys.iter().map(|(key, _)| *key).collect();
    let message = match given.as_slice() {
        [one] => return Some(one),
        // The unknown key is reported, and may be a misspelling of this one.
        [] if has_unknown_keys => return None,
        [] => "the rule is empty".to_owned(),
        several => format!("the rule has several keys: {}", suggest::quoted(several)),
    };
    problems.push(Diagnostic::at(rule, message).hint(format!("accepted: exactly one of {}", suggest::quoted(&all))));
    None
}
