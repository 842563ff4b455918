//! Text with variables in it.

use super::super::conf::{ConfErrorKind, closest};
use super::name::Variable;
use super::value::Scope;

/// Text with variables in it, taken apart once so that writing it is a walk over its parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    parts: Box<[Part]>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(Box<[u8]>),
    Variable(Variable),
}

impl Template {
    /// Takes `$name` and `${name}` out of the text.
    ///
    /// # Errors
    /// A variable that lab does not know, or a `$` that begins none.
    pub fn compile(text: &str) -> Result<Template, ConfErrorKind> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(dollar) = rest.find('$') {
            if dollar > 0 {
                parts.push(Part::Text(rest.as_bytes()[..dollar].into()));
            }
            let after = &rest[dollar + 1..];
            let (name, behind) = match after.strip_prefix('{') {
                Some(inner) => inner.split_once('}').unwrap_or(("", "")),
                None => {
                    let is_part = |character: char| character.is_ascii_alphanumeric() || character == '_';
                    after.split_at(after.find(|character| !is_part(character)).unwrap_or(after.len()))
                }
            };
            parts.push(Part::Variable(Variable::named(name).ok_or_else(|| ConfErrorKind::UnknownVariable {
                name: name.to_owned(),
                hint: closest(name, Variable::names()),
            })?));
            rest = behind;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.as_bytes().into()));
        }
        Ok(Template { parts: parts.into() })
    }

    /// Text without variables: a `$` is only a `$`.
    #[must_use]
    pub fn text(text: &str) -> Template {
        Template { parts: [Part::Text(text.as_bytes().into())].into() }
    }

    /// The text, if there is no variable in it.
    #[must_use]
    pub fn constant(&self) -> Option<&[u8]> {
        match &self.parts[..] {
            [] => Some(b""),
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// Appends the text; what a variable has no value for is empty.
    pub fn write(&self, scope: &Scope<'_>, out: &mut Vec<u8>) {
        for part in &self.parts {
            match part {
                Part::Text(text) => out.extend_from_slice(text),
                Part::Variable(variable) => _ = scope.write(variable, out),
            }
        }
    }

    /// Appends the text as a log line: what a variable has no value for is `-`, and bytes that could break the line or
    /// a quoted word are escaped as nginx escapes them.
    pub fn write_log(&self, scope: &Scope<'_>, out: &mut Vec<u8>) {
        for part in &self.parts {
            match part {
                Part::Text(text) => out.extend_from_slice(text),
                Part::Variable(variable) => {
                    let start = out.len();
                    if !scope.write(variable, out) {
                        out.push(b'-');
                    }
                    escape_from(out, start);
                }
            }
        }
    }
}

/// Escapes what stands in `out` from `start` on, as nginx's `escape=default`.
fn escape_from(out: &mut Vec<u8>, start: usize) {
    let needs = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..0x20 | 0x7f..);
    if !out[start..].iter().any(needs) {
        return;
    }
    let raw = out.split_off(start);
    for byte in raw {
        if needs(&byte) {
            let digit = |nibble: u8| b"0123456789ABCDEF"[usize::from(nibble)];
            out.extend_from_slice(&[b'\\', b'x', digit(byte >> 4), digit(byte & 15)]);
        } else {
            out.push(byte);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_taken_out_of_text() {
        for (text, parts) in [("", 0), ("a", 1), ("$host", 1), ("a$host", 2), ("${host}a$HOST", 3), ("$host$uri/", 3)] {
            assert_eq!(Template::compile(text).unwrap().parts.len(), parts, "{text}");
        }
        assert_eq!(Template::compile("abc").unwrap().constant(), Some(&b"abc"[..]));
        assert_eq!(Template::compile("$host").unwrap().constant(), None);
        assert_eq!(Template::text("$host").constant(), Some(&b"$host"[..]));
    }

    #[test]
    fn unknown_variables_are_named() {
        for (text, message) in [
            ("$hots", "unknown \"hots\" variable\nhint: did you mean \"host\"?"),
            ("a $ b", "unknown \"\" variable"),
            ("${host", "unknown \"\" variable"),
            ("$1", "unknown \"1\" variable"),
            ("$http_", "unknown \"http_\" variable"),
        ] {
            assert_eq!(Template::compile(text).unwrap_err().to_string(), message, "{text}");
        }
    }

    #[test]
    fn log_lines_cannot_be_broken() {
        let mut out = b"\"kept\" ".to_vec();
        out.extend_from_slice(b"a\"b\\c\nd\xffe");
        escape_from(&mut out, 7);
        assert_eq!(out, br#""kept" a\x22b\x5Cc\x0Ad\xFFe"#);
    }
}
