//! Rules for single values that several tables share: names, numbers in bounds, header names, request targets, texts.

use std::collections::HashMap;
use std::fmt::Display;
use std::ops::RangeInclusive;

use toml::Spanned;

use super::super::model::TextTemplate;
use super::super::template;
use crate::document::braces::BracesError;
use crate::document::diagnostic::{Diagnostic, Problems, Span};
use crate::document::read::Integer;
use crate::document::suggest;

/// A name that is also the name of a folder or file: lower-case letters, digits and `-`.
pub(super) fn slug(name: &Spanned<String>, problems: &mut Problems<'_>) -> Option<String> {
    let text = name.get_ref();
    let is_accepted = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if !text.is_empty() && text.chars().all(is_accepted) {
        return Some(text.clone());
    }
    let suggestion: String = text.to_lowercase().chars().map(|c| if is_accepted(c) { c } else { '-' }).collect();
    let hint = match suggestion.trim_matches('-') {
        "" => "accepted: lower-case letters, digits and `-`".to_owned(),
        close => format!("accepted: lower-case letters, digits and `-`, such as \"{close}\""),
    };
    problems.push(Diagnostic::at(name.span(), format!("`{text}` cannot be a name")).hint(hint));
    None
}

/// A text of one line that is not blank.
pub(super) fn one_line(text: &Spanned<String>, what: &str, problems: &mut Problems<'_>) -> Option<String> {
    let message = if text.get_ref().trim().is_empty() {
        format!("{what} is blank")
    } else if text.get_ref().contains(char::is_control) {
        format!("{what} must be one line, without control characters")
    } else {
        return Some(text.get_ref().clone());
    };
    problems.push(Diagnostic::at(text.span(), message));
    None
}

/// A whole number within `range`.
pub(super) fn whole<T>(
    number: &Spanned<Integer>,
    what: &str,
    range: RangeInclusive<T>,
    problems: &mut Problems<'_>,
) -> Option<T>
where
    T: TryFrom<i128> + PartialOrd + Display,
{
    let value = number.get_ref().0;
    let fitting = T::try_from(value).ok().filter(|value| range.contains(value));
    if fitting.is_none() {
        let hint = format!("accepted: {} to {}", range.start(), range.end());
        problems.push(Diagnostic::at(number.span(), format!("{what} cannot be {value}")).hint(hint));
    }
    fitting
}

/// Names that must differ from each other.
#[derive(Debug)]
pub(super) struct Unique {
    /// The word for messages.
    noun: &'static str,
    seen: HashMap<String, Span>,
}

impl Unique {
    pub(super) fn new(noun: &'static str) -> Self {
        Unique { noun, seen: HashMap::new() }
    }

    /// Adds a name, and reports it if it was added before.
    pub(super) fn add(&mut self, name: &Spanned<String>, problems: &mut Problems<'_>) {
        self.add_as(name.get_ref().clone(), name, problems);
    }

    /// The same for case-insensitive names.
    pub(super) fn add_without_case(&mut self, name: &Spanned<String>, problems: &mut Problems<'_>) {
        self.add_as(name.get_ref().to_ascii_lowercase(), name, problems);
    }

    fn add_as(&mut self, key: String, name: &Spanned<String>, problems: &mut Problems<'_>) {
        match self.seen.get(&key) {
            Some(first) => problems.push(
                Diagnostic::at(name.span(), format!("duplicate {} `{}`", self.noun, name.get_ref()))
                    .label("again here")
                    .related(first.clone(), "first here"),
            ),
            None => {
                self.seen.insert(key, name.span());
            }
        }
    }
}

/// The name of an expected header: a token (RFC 9110, section 5.1).
pub(super) fn header_name(name: &Spanned<String>, problems: &mut Problems<'_>) -> Option<String> {
    token(name, "a header's name", "", problems)
}

/// The name of a header to send.
pub(super) fn sent_header_name(name: &Spanned<String>, problems: &mut Problems<'_>) -> Option<String> {
    token(name, "a header's name", "; `raw` sends anything", problems)
}

/// A method to send: a token (RFC 9110, section 9.1).
pub(super) fn sent_method(name: &Spanned<String>, problems: &mut Problems<'_>) -> Option<String> {
    token(name, "a method", "; `raw` sends anything", problems)
}

/// A token (RFC 9110, section 5.6.2); `alternative` ends the hint.
fn token(text: &Spanned<String>, what: &str, alternative: &str, problems: &mut Problems<'_>) -> Option<String> {
    let in_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    let value = text.get_ref();
    let problem = if value.is_empty() {
        Diagnostic::at(text.span(), format!("{what} cannot be empty"))
    } else if let Some((at, wrong)) = value.char_indices().find(|(_, c)| !in_token(*c)) {
        let span = problems.within_string(&text.span(), value, at..at + wrong.len_utf8());
        Diagnostic::at(span, format!("{what} cannot hold {wrong:?}"))
    } else {
        return Some(value.clone());
    };
    problems.push(problem.hint(format!("accepted: letters, digits and !#$%&'*+-.^_`|~{alternative}")));
    None
}

/// A request target in origin form: from `/` on, percent-encoded (RFC 9112, section 3.2.1).
pub(super) fn origin_form(path: &Spanned<String>, what: &str, problems: &mut Problems<'_>) -> Option<String> {
    let text = path.get_ref();
    let problem = if !text.starts_with('/') {
        Diagnostic::at(path.span(), format!("{what} must start with `/`"))
    } else if let Some((at, wrong)) = text.char_indices().find(|(_, c)| !c.is_ascii_graphic()) {
        let span = problems.within_string(&path.span(), text, at..at + wrong.len_utf8());
        let mut utf8 = [0; 4];
        let encoded: String = wrong.encode_utf8(&mut utf8).bytes().map(|byte| format!("%{byte:02X}")).collect();
        Diagnostic::at(span, format!("{what} cannot hold {wrong:?}")).hint(format!("percent-encode it: {encoded}"))
    } else {
        return Some(text.clone());
    };
    problems.push(problem);
    None
}

/// A text with placeholders. `extracted` are the names of the values that earlier steps of a sequence extract.
pub(super) fn template(
    text: &Spanned<String>,
    extracted: &[String],
    problems: &mut Problems<'_>,
) -> Option<TextTemplate> {
    match template::parse(text.get_ref(), extracted) {
        Ok(template) => Some(template),
        Err(error) => {
            let span = problems.within_string(&text.span(), text.get_ref(), error.part());
            let names =
                || template::PLACEHOLDERS.iter().map(|(name, _)| *name).chain(extracted.iter().map(String::as_str));
            let known: Vec<_> = names().map(|name| format!("`{{{name}}}`")).collect();
            let close = match &error {
                BracesError::Unknown { name, .. } => suggest::closest(name, names()),
                BracesError::Lone { .. } => None,
            };
            let suggestion = close.map(|name| format!("did you mean `{{{name}}}`? ")).unwrap_or_default();
            let hint = format!("{suggestion}accepted: {}; `{{{{` and `}}}}` stand for braces", known.join(", "));
            problems.push(Diagnostic::at(span, error.to_string()).hint(hint));
            None
        }
    }
}

/// The name of an extracted value.
pub(super) fn value_name(name: &Spanned<String>, problems: &mut Problems<'_>) -> Option<String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let text = name.get_ref();
    if !text.is_empty() && text.chars().all(fits) {
        return Some(text.clone());
    }
    let hint = "accepted: letters, digits, `_` and `-`";
    problems.push(Diagnostic::at(name.span(), format!("`{text}` cannot be a value's name")).hint(hint));
    None
}
