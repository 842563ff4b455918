//! Regular expressions of a configuration.
//!
//! nginx uses PCRE. lab uses the `regex` crate, which matches any input in linear time. Only patterns with look-around,
//! back-references, atomic groups and possessive quantifiers go to an engine that backtracks
//! ([`BacktrackingRegex`]). As in PCRE without its UTF mode, texts are bytes and classes are ASCII. Unlike in PCRE, `$`
//! matches only at the very end, not before a final line feed.

use std::borrow::Cow;

use regex::bytes::{Regex, RegexBuilder};

use super::backtracking::{BacktrackingRegex, TooManySteps};
use super::{DefinedVariables, VariableValues};
use lab_nginx_conf::{ConfError, ConfErrorKind, Directive};

#[derive(Debug, Clone)]
pub struct Pattern {
    /// As written.
    text: Box<str>,
    engine: Engine,
    /// The number of groups.
    groups: usize,
    /// The named groups, with the slots of their variables.
    named: Box<[(usize, usize)]>,
}

#[derive(Debug, Clone)]
enum Engine {
    Linear(Regex),
    Backtracking(Box<BacktrackingRegex>),
}

impl Engine {
    /// The names of the groups, none for one without a name. The whole match comes first.
    fn group_names(&self) -> Vec<Option<&str>> {
        match self {
            Engine::Linear(regex) => regex.capture_names().collect(),
            Engine::Backtracking(regex) => regex.group_names().collect(),
        }
    }
}

impl Pattern {
    /// Compiles a pattern of a directive. Its named groups set variables.
    pub(crate) fn compile(
        directive: &Directive,
        pattern: &str,
        ignore_case: bool,
        names: &DefinedVariables,
    ) -> Result<Pattern, ConfError> {
        Pattern::new(pattern, ignore_case, names).map_err(|problem| {
            let (name, pattern) = (directive.name.clone(), pattern.to_owned());
            directive.error(ConfErrorKind::InvalidPattern { name, pattern, problem: problem.into() })
        })
    }

    /// Compiles a pattern. The error describes the problem.
    pub(crate) fn new(pattern: &str, ignore_case: bool, names: &DefinedVariables) -> Result<Pattern, String> {
        let engine = compile(pattern, ignore_case)?;
        let group_names = engine.group_names();
        let groups = group_names.len() - 1;
        let named = group_names.into_iter().enumerate();
        let named = named.filter_map(|(group, name)| Some((group, names.slot(name?)?))).collect();
        Ok(Pattern { text: pattern.into(), groups, named, engine })
    }

    /// The names of the groups that have one, with their numbers.
    pub(crate) fn named_groups(&self) -> Vec<(usize, String)> {
        let names = self.engine.group_names().into_iter().enumerate();
        names.filter_map(|(group, name)| Some((group, name?.to_owned()))).collect()
    }

    /// The text as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the text matches, without an effect on variables. A match that takes too many steps is none.
    #[must_use]
    pub fn is_match(&self, text: &[u8]) -> bool {
        match &self.engine {
            Engine::Linear(regex) => regex.is_match(text),
            Engine::Backtracking(regex) => matches!(regex.find(text), Ok(Some(_))),
        }
    }

    /// Whether the text matches. If it does, `$1` and so on and the variables of named groups are set. A match that takes
    /// too many steps is none, and is noted in `values`.
    pub fn matches(&self, text: &[u8], values: &VariableValues) -> bool {
        match self.find(text, values) {
            Some(groups) => {
                values.set_captures(text, &groups);
                for &(group, slot) in &self.named {
                    let span = groups.get(group - 1).copied().flatten();
                    values.set(slot, span.map_or(&b""[..], |(start, end)| &text[start..end]));
                }
                true
            }
            None => false,
        }
    }

    /// The groups of the match, without the whole match.
    fn find(&self, text: &[u8], values: &VariableValues) -> Option<Vec<Option<(usize, usize)>>> {
        match &self.engine {
            Engine::Linear(regex) if self.groups == 0 => regex.is_match(text).then(Vec::new),
            Engine::Linear(regex) => {
                let mut locations = regex.capture_locations();
                regex.captures_read(&mut locations, text)?;
                Some((1..=self.groups).map(|group| locations.get(group)).collect())
            }
            Engine::Backtracking(regex) => match regex.find(text) {
                Ok(spans) => spans.map(|spans| spans[1..].to_vec()),
                Err(TooManySteps) => {
                    values.note_failed_match(&self.text);
                    None
                }
            },
        }
    }
}

/// The names of a pattern's groups; none if it does not compile, which [`Pattern::compile`] reports.
pub(crate) fn group_names(pattern: &str) -> Vec<String> {
    let Ok(engine) = compile(pattern, false) else { return Vec::new() };
    engine.group_names().into_iter().flatten().map(str::to_owned).collect()
}

fn compile(pattern: &str, ignore_case: bool) -> Result<Engine, String> {
    let backtracking =
        || BacktrackingRegex::new(pattern, ignore_case).map(|regex| Engine::Backtracking(Box::new(regex)));
    if let Some(feature) = backtracking_feature(pattern.as_bytes()) {
        return backtracking().map_err(|problem| format!("uses {feature}, and cannot be compiled: {problem}"));
    }
    // some of PCRE's escapes are unknown to the linear engine only
    compile_linear(pattern, ignore_case).map(Engine::Linear).or_else(|problem| backtracking().map_err(|_| problem))
}

fn compile_linear(pattern: &str, ignore_case: bool) -> Result<Regex, String> {
    RegexBuilder::new(&translate(pattern)).unicode(false).case_insensitive(ignore_case).build().map_err(|error| {
        match error {
            regex::Error::CompiledTooBig(_) => "is too large".to_owned(),
            error => {
                let message = error.to_string();
                let reason = message.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default();
                format!("cannot be compiled: {}", reason.trim().trim_start_matches("error: "))
            }
        }
    })
}

/// Writes PCRE's `\Q…\E` and `\p{…}` as the regex crate has them.
fn translate(pattern: &str) -> Cow<'_, str> {
    if !pattern.contains("\\Q") && !pattern.contains("\\p") && !pattern.contains("\\P") {
        return Cow::Borrowed(pattern);
    }
    let mut out = String::with_capacity(pattern.len() + 16);
    let mut rest = pattern;
    let mut is_in_class = false;
    while let Some(character) = rest.chars().next() {
        if let Some(quoted) = rest.strip_prefix("\\Q") {
            let (literal, behind) = quoted.split_once("\\E").unwrap_or((quoted, ""));
            out.push_str(&regex::escape(literal));
            rest = behind;
            continue;
        }
        if !is_in_class && (rest.starts_with("\\p") || rest.starts_with("\\P")) {
            let end = if rest[2..].starts_with('{') { rest.find('}').map(|end| end + 1) } else { Some(3) };
            let end = end.filter(|end| rest.is_char_boundary(*end)).unwrap_or(rest.len());
            out.push_str(&format!("(?u:{})", &rest[..end]));
            rest = &rest[end..];
            continue;
        }
        let mut length = character.len_utf8();
        match character {
            '\\' => length += rest[1..].chars().next().map_or(0, char::len_utf8),
            '[' => is_in_class = true,
            ']' => is_in_class = false,
            _ => {}
        }
        out.push_str(&rest[..length]);
        rest = &rest[length..];
    }
    Cow::Owned(out)
}

/// The feature of a pattern that needs backtracking, if it has one.
fn backtracking_feature(pattern: &[u8]) -> Option<&'static str> {
    const GROUPS: &[(&[u8], &str)] = &[
        (b"(?=", "look-ahead"),
        (b"(?!", "look-ahead"),
        (b"(?<=", "look-behind"),
        (b"(?<!", "look-behind"),
        (b"(?>", "an atomic group"),
        (b"(?(", "a conditional group"),
        (b"(?P=", "a back-reference"),
        (b"(?R", "recursion"),
    ];
    let mut rest = pattern;
    let mut is_in_class = false;
    loop {
        rest = match rest {
            [] => return None,
            [b'\\', b'1'..=b'9' | b'k' | b'g', ..] if !is_in_class => return Some("a back-reference"),
            // the braces of a class by property are no quantifier
            [b'\\', b'p' | b'P', b'{', behind @ ..] => {
                memchr::memchr(b'}', behind).map_or(&[][..], |end| &behind[end + 1..])
            }
            [b'\\', b'Q', behind @ ..] => {
                memchr::memmem::find(behind, b"\\E").map_or(&[][..], |end| &behind[end + 2..])
            }
            [b'\\', _, behind @ ..] => behind,
            [b'[', behind @ ..] if !is_in_class => {
                is_in_class = true;
                // a bracket at the start of a class is a member of the class
                let behind = behind.strip_prefix(b"^").unwrap_or(behind);
                behind.strip_prefix(b"]").unwrap_or(behind)
            }
            [b']', behind @ ..] => {
                is_in_class = false;
                behind
            }
            [b'*' | b'+' | b'?' | b'}', b'+', ..] if !is_in_class => return Some("a possessive quantifier"),
            [b'(', behind @ ..] if !is_in_class => match GROUPS.iter().find(|(start, _)| rest.starts_with(start)) {
                Some((_, feature)) => return Some(feature),
                None => behind,
            },
            [_, behind @ ..] => behind,
        };
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn pattern(text: &str, names: &DefinedVariables) -> Result<Pattern, String> {
        let quoted = lab_nginx_conf::quote(text).into_owned();
        let tree = lab_nginx_conf::parse(&format!("rewrite {quoted};"), Path::new("c")).unwrap();
        Pattern::compile(&tree[0], text, false, names).map_err(|error| error.to_string())
    }

    #[test]
    fn groups_are_captured_and_named() {
        let mut names = DefinedVariables::default();
        let slot = names.define("year");
        let pattern = pattern(r"^/(?<year>\d+)/(x)?([^/]*)$", &names).unwrap();
        let values = VariableValues::new(&names);
        assert!(!pattern.matches(b"/a/b", &values));
        assert!(pattern.matches(b"/2011/caf\xe9", &values));
        let mut out = Vec::new();
        assert!(values.write_capture(1, &mut out) && values.write_capture(3, &mut out));
        assert!(!values.write_capture(2, &mut out) && !values.write_capture(4, &mut out));
        assert_eq!(out, b"2011caf\xe9");
        assert_eq!(values.get(slot).as_deref(), Some(&b"2011"[..]));
    }

    #[test]
    fn only_patterns_that_need_it_backtrack() {
        let is_backtracking = |text: &str| {
            let pattern = pattern(text, &DefinedVariables::default()).unwrap();
            matches!(pattern.engine, Engine::Backtracking(_))
        };
        for text in ["^/(?!a)", "(?<=a)b", r"(a)\1", "(?>a+)b", "a++", "(?<n>a)(?P=n)"] {
            assert!(is_backtracking(text), "{text}");
        }
        for text in [r"\++", "[?+]", r"\(?=", "[(?=]", "[]?+]", "a{2}", "a+?", r"\p{N}+", r"\Qa+++b\E", r"\pL"] {
            assert!(!is_backtracking(text), "{text}");
        }
        let message = pattern("(a", &DefinedVariables::default()).unwrap_err();
        assert!(message.ends_with("cannot be compiled: unclosed group"), "{message}");
        let message = pattern("(?!a", &DefinedVariables::default()).unwrap_err();
        assert!(message.contains("uses look-ahead, and cannot be compiled: "), "{message}");
    }
}
