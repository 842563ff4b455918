//! Regular expressions with look-around, back-references, atomic groups and the like.
//!
//! They need an engine that backtracks, whose steps are bounded: beyond the bound, a match fails with an error. The
//! engine matches text. A text of bytes is passed to it as the characters U+0000 to U+00FF, and so is the pattern, which
//! is how PCRE without its UTF mode sees both.

use std::borrow::Cow;

use fancy_regex::{Regex, RegexBuilder};

/// How often a match may go back. That takes some ten milliseconds; PCRE's own limit is a hundred times as high.
const MAX_BACKTRACKS: usize = 100_000;

#[derive(Debug, Clone)]
pub(super) struct BacktrackingRegex {
    regex: Regex,
    /// By group, none for one without a name. The whole match comes first.
    names: Vec<Option<String>>,
}

/// The start and the end of each group, that of the whole match first.
pub(super) type GroupSpans = Vec<Option<(usize, usize)>>;

/// A match took too many steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooManySteps;

impl BacktrackingRegex {
    /// # Errors
    /// What is wrong with the pattern.
    pub(super) fn new(pattern: &str, ignore_case: bool) -> Result<BacktrackingRegex, String> {
        let flags = if ignore_case { "(?i)" } else { "" };
        let Translated { pattern, names } = translate(&as_text(pattern.as_bytes()));
        let built = RegexBuilder::new(&format!("{flags}{pattern}")).backtrack_limit(MAX_BACKTRACKS).build();
        // positions are those of the translated pattern
        let regex = built.map_err(|error| {
            let message = error.to_string();
            let reason = message.rsplit(": ").next().unwrap_or_default();
            let first = reason.chars().next().map_or(0, char::len_utf8);
            reason[..first].to_lowercase() + &reason[first..]
        })?;
        if regex.captures_len() != names.len() {
            return Err("its groups are of a kind that is not supported".to_owned());
        }
        Ok(BacktrackingRegex { regex, names })
    }

    /// The names of the groups, none for one without a name. The whole match comes first.
    pub(super) fn group_names(&self) -> impl Iterator<Item = Option<&str>> {
        self.names.iter().map(Option::as_deref)
    }

    /// The groups of the first match.
    pub(super) fn find(&self, bytes: &[u8]) -> Result<Option<GroupSpans>, TooManySteps> {
        let text = as_text(bytes);
        let Some(found) = self.regex.captures(&text).map_err(|_| TooManySteps)? else { return Ok(None) };
        // a character beyond ASCII takes two bytes
        let offset = |at: usize| if bytes.is_ascii() { at } else { text[..at].chars().count() };
        let spans = (0..found.len()).map(|group| {
            let group = found.get(group)?;
            Some((offset(group.start()), offset(group.end())))
        });
        Ok(Some(spans.collect()))
    }
}

/// The bytes as the characters with the same numbers.
fn as_text(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) if text.is_ascii() => Cow::Borrowed(text),
        _ => Cow::Owned(bytes.iter().copied().map(char::from).collect()),
    }
}

/// A pattern as the engine has it, and the names of its groups.
struct Translated {
    pattern: String,
    /// By group, none for one without a name. The whole match comes first.
    names: Vec<Option<String>>,
}

/// Writes what PCRE means where the engine means something else by it. Its classes know all of Unicode, and it does not
/// mix groups with names and references by number; here all groups have numbers only.
fn translate(pattern: &str) -> Translated {
    let mut translated = Translated { pattern: String::with_capacity(pattern.len()), names: vec![None] };
    let mut rest = pattern;
    while let Some(first) = rest.chars().next() {
        rest = match first {
            '\\' => translated.escape(rest, false),
            '[' => translated.class(rest),
            '(' => translated.group(rest),
            other => {
                translated.pattern.push(other);
                &rest[other.len_utf8()..]
            }
        };
    }
    translated
}

impl Translated {
    /// Writes an opening parenthesis with what belongs to it, and returns the text behind.
    fn group<'p>(&mut self, text: &'p str) -> &'p str {
        if let Some((name, behind)) = text.strip_prefix("(?P=").and_then(|rest| rest.split_once(')')) {
            self.reference(name);
            return behind;
        }
        // a condition: whether a group has matched
        if let Some((condition, behind)) = text.strip_prefix("(?(").and_then(|rest| rest.split_once(')'))
            && !condition.starts_with('?')
        {
            let name = condition.trim_matches(['<', '>', '\'']);
            let number = self.names.iter().position(|own| own.as_deref() == Some(name));
            self.pattern
                .push_str(&format!("(?({})", number.map_or_else(|| name.to_owned(), |number| number.to_string())));
            return behind;
        }
        let named = [("(?P<", '>'), ("(?<", '>'), ("(?'", '\'')].into_iter().find_map(|(start, end)| {
            let (name, behind) = text.strip_prefix(start)?.split_once(end)?;
            let is_name = name.chars().next().is_some_and(|first| first.is_alphabetic() || first == '_');
            is_name.then_some((name, behind))
        });
        self.pattern.push('(');
        match named {
            Some((name, behind)) => {
                self.names.push(Some(name.to_owned()));
                behind
            }
            None => {
                let behind = &text[1..];
                if !behind.starts_with(['?', '*']) {
                    self.names.push(None);
                }
                behind
            }
        }
    }

    /// Writes a class in brackets, and returns the text behind.
    fn class<'p>(&mut self, text: &'p str) -> &'p str {
        self.pattern.push('[');
        let mut rest = &text[1..];
        if let Some(behind) = rest.strip_prefix('^') {
            self.pattern.push('^');
            rest = behind;
        }
        // a bracket at the start of a class is a member of the class
        if let Some(behind) = rest.strip_prefix(']') {
            self.pattern.push_str("\\]");
            rest = behind;
        }
        while let Some(first) = rest.chars().next() {
            let length = first.len_utf8();
            rest = match first {
                ']' => {
                    self.pattern.push(']');
                    return &rest[length..];
                }
                '\\' => self.escape(rest, true),
                // a class by name, such as [:alpha:]
                '[' if rest.starts_with("[:") => {
                    let end = rest.find(":]").map_or(rest.len(), |end| end + 2);
                    self.pattern.push_str(&rest[..end]);
                    &rest[end..]
                }
                '[' | '&' | '~' => {
                    self.pattern.extend(['\\', first]);
                    &rest[length..]
                }
                other => {
                    self.pattern.push(other);
                    &rest[length..]
                }
            };
        }
        rest
    }

    /// Writes an escape, and returns the text behind.
    fn escape<'p>(&mut self, text: &'p str, is_in_class: bool) -> &'p str {
        let Some(escaped) = text[1..].chars().next() else {
            self.pattern.push('\\');
            return "";
        };
        let behind = &text[1 + escaped.len_utf8()..];
        let class = match escaped.to_ascii_lowercase() {
            'w' => Some("0-9A-Za-z_"),
            'd' => Some("0-9"),
            's' => Some(r" \t\n\r\x0b\x0c"),
            'h' => Some(r" \t"),
            _ => None,
        };
        match (escaped, class) {
            ('Q', _) => {
                let (literal, behind) = behind.split_once("\\E").unwrap_or((behind, ""));
                self.pattern.push_str(&fancy_regex::escape(literal));
                return behind;
            }
            (_, Some(class)) if escaped.is_ascii_uppercase() => self.pattern.push_str(&format!("[^{class}]")),
            (_, Some(class)) if is_in_class => self.pattern.push_str(class),
            (_, Some(class)) => self.pattern.push_str(&format!("[{class}]")),
            ('1'..='9', None) if !is_in_class => {
                let end = behind.find(|next: char| !next.is_ascii_digit()).unwrap_or(behind.len());
                self.reference(&text[1..=1 + end]);
                return &behind[end..];
            }
            ('k' | 'g', None) if !is_in_class => {
                let (name, behind) = reference_name(behind);
                self.reference(name);
                return behind;
            }
            _ => self.pattern.extend(['\\', escaped]),
        }
        behind
    }

    /// Writes a reference to a group by its number, its number backwards from here, or its name.
    fn reference(&mut self, to: &str) {
        let count = self.names.len();
        let number = match to.strip_prefix('-') {
            Some(back) => back.parse().ok().and_then(|back: usize| count.checked_sub(back)),
            None => to.parse().ok().or_else(|| self.names.iter().position(|name| name.as_deref() == Some(to))),
        };
        // an unknown name makes the pattern invalid
        self.pattern.push_str(&number.map_or_else(|| format!("\\k<{to}>"), |number| format!("(?:\\{number})")));
    }
}

/// Splits what follows `\k` or `\g`: `{name}`, `<name>`, `'name'` or digits.
fn reference_name(text: &str) -> (&str, &str) {
    let enclosed = [('{', '}'), ('<', '>'), ('\'', '\'')].into_iter().find_map(|(start, end)| {
        let (name, behind) = text.strip_prefix(start)?.split_once(end)?;
        Some((name, behind))
    });
    enclosed.unwrap_or_else(|| {
        let end = text.find(|next: char| !next.is_ascii_digit() && next != '-').unwrap_or(text.len());
        text.split_at(end)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(pattern: &str, text: &[u8]) -> Option<GroupSpans> {
        BacktrackingRegex::new(pattern, false).unwrap().find(text).unwrap()
    }

    #[test]
    fn patterns_match_as_with_pcre() {
        for (pattern, text, expected) in [
            (r"^/(?!static/).*\.php$", &b"/a.php"[..], true),
            (r"^/(?!static/).*\.php$", b"/static/a.php", false),
            (r"/\.(?!well-known)", b"/.git", true),
            (r"/\.(?!well-known)", b"/.well-known/x", false),
            (r"(?<=/)b", b"a/b", true),
            (r"(?<!/)b", b"a/b", false),
            (r"^(\w+)/\1$", b"ab/ab", true),
            (r"^(\w+)/\1$", b"ab/ac", false),
            (r"^(?<n>a)\k<n>$", b"aa", true),
            (r"^(?P<n>a)(?P=n)$", b"aa", true),
            (r"^(?<n>a)(b)\2\1$", b"abba", true),
            (r"^(?<n>a)(b)\g{-1}\k{n}$", b"abba", true),
            (r"^(?<!x)(?:a)(b)(?=c)", b"abc", true),
            (r"^(a)\g{1}$", b"aa", true),
            (r"^(a)\g1$", b"aa", true),
            (r"^(?>a+)b", b"aab", true),
            (r"^a++a", b"aaa", false),
            (r"^(\()?x(?(1)\))$", b"(x)", true),
            (r"^(\()?x(?(1)\))$", b"x)", false),
            (r"^(?<open>\()?x(?(<open>)\))$", b"(x", false),
            (r"(?!x)[]a]", b"]", true),
            (r"(?!x)[^]a]", b"]", false),
            (r"(?!x)[[]", b"[", true),
            (r"(?!x)[[:alpha:]]", b"1", false),
            (r"(?!x)\Qa.b\E", b"a.b", true),
            (r"(?!x)\Qa.b\E", b"axb", false),
            // bytes beyond ASCII are no letters, digits or spaces
            (r"(?!x)^\w$", b"\xe9", false),
            (r"(?!x)^\W$", b"\xe9", true),
            (r"(?!x)^\s$", b"\xa0", false),
            (r"(?!x)^[\w-]+$", b"a-b", true),
            ("(?!x)^é$", "é".as_bytes(), true),
            ("(?!x)^..$", "é".as_bytes(), true),
        ] {
            assert_eq!(find(pattern, text).is_some(), expected, "{pattern} on {}", text.escape_ascii());
        }
        let upper = BacktrackingRegex::new("(?!x)ABC", true).unwrap();
        assert!(upper.find(b"abc").unwrap().is_some());
    }

    #[test]
    fn spans_are_those_of_the_bytes() {
        let spans = find("(?!x)(é)(b)?(c)", "aéc".as_bytes()).unwrap();
        assert_eq!(spans, [Some((1, 4)), Some((1, 3)), None, Some((3, 4))]);
    }

    #[test]
    fn groups_keep_their_names() {
        let regex = BacktrackingRegex::new(r"(?!x)(a)(?<one>b)(?:c)(?P<two>d)\1", false).unwrap();
        assert_eq!(regex.group_names().collect::<Vec<_>>(), [None, None, Some("one"), Some("two")]);
        assert!(BacktrackingRegex::new(r"(a)\k<none>", false).is_err());
    }

    #[test]
    fn catastrophic_matches_end() {
        let regex = BacktrackingRegex::new(r"^(?:a+)+(?!c)b$", false).unwrap();
        assert_eq!(regex.find(&[b'a'; 200]), Err(TooManySteps));
    }
}
