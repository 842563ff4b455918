use super::DefinedVariables;
use super::scope::Scope;
use super::variable::Variable;
use crate::routing::uri;
use lab_nginx_conf::{ConfErrorKind, closest};

/// Text with variables, parsed once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    parts: Box<[Part]>,
    /// Whether variables are looked up before any part is written: as in nginx, a regular expression of a `map` sets
    /// `$1` for the whole text, also in front of its variable.
    looks_up_first: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(Box<[u8]>),
    Variable(Variable),
}

/// How the values of variables are escaped in a line of a log (`log_format … escape=`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogEscape {
    /// Writes `"`, `\`, control characters and everything beyond ASCII as `\xXX`, and `-` for a variable without a
    /// value.
    #[default]
    Default,
    /// As in a JSON string. A variable without a value is empty.
    Json,
    /// Unchanged. A variable without a value is empty.
    None,
}

impl Template {
    /// Parses `$name`, `${name}` and `$1`.
    ///
    /// # Errors
    /// An unknown variable, or a `$` without a name.
    pub fn compile(text: &str, own: &DefinedVariables) -> Result<Template, ConfErrorKind> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(dollar) = rest.find('$') {
            if dollar > 0 {
                parts.push(Part::Text(rest.as_bytes()[..dollar].into()));
            }
            let after = &rest[dollar + 1..];
            if let Some(digit @ b'1'..=b'9') = after.bytes().next() {
                parts.push(Part::Variable(Variable::Capture(usize::from(digit - b'0'))));
                rest = &after[1..];
                continue;
            }
            let (name, behind) = match after.strip_prefix('{') {
                Some(inner) => inner.split_once('}').unwrap_or(("", "")),
                None => {
                    let is_part = |character: char| character.is_ascii_alphanumeric() || character == '_';
                    after.split_at(after.find(|character| !is_part(character)).unwrap_or(after.len()))
                }
            };
            parts.push(Part::Variable(Variable::named(name, own).ok_or_else(|| ConfErrorKind::UnknownVariable {
                name: name.to_owned(),
                hint: suggestion(name, own),
            })?));
            rest = behind;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.as_bytes().into()));
        }
        let has = |is_it: fn(&Variable) -> bool| {
            parts.iter().any(|part| matches!(part, Part::Variable(variable) if is_it(variable)))
        };
        let looks_up_first = has(|variable| matches!(variable, Variable::Capture(_)))
            && has(|variable| matches!(variable, Variable::Defined(_)));
        Ok(Template { parts: parts.into(), looks_up_first })
    }

    /// Text in which `$` has no special meaning.
    #[must_use]
    pub fn text(text: &str) -> Template {
        Template { parts: [Part::Text(text.as_bytes().into())].into(), looks_up_first: false }
    }

    /// The text, if it has no variables.
    #[must_use]
    pub fn constant(&self) -> Option<&[u8]> {
        match &self.parts[..] {
            [] => Some(b""),
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// Whether it reads the head of a response. Heads are kept only if something does.
    #[must_use]
    pub fn needs_response_head(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Variable(variable) if variable.is_in_response_head()))
    }

    /// Appends the text. A variable without a value is empty.
    pub fn write(&self, scope: &Scope<'_>, out: &mut Vec<u8>) {
        if self.looks_up_first {
            self.look_up(scope);
        }
        for part in &self.parts {
            match part {
                Part::Text(text) => out.extend_from_slice(text),
                Part::Variable(variable) => _ = scope.write(variable, out),
            }
        }
    }

    fn look_up(&self, scope: &Scope<'_>) {
        for part in &self.parts {
            if let Part::Variable(variable @ Variable::Defined(_)) = part {
                scope.write(variable, &mut Vec::new());
            }
        }
    }

    #[must_use]
    pub fn value(&self, scope: &Scope<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        self.write(scope, &mut out);
        out
    }

    /// Appends the text. Captures are escaped like arguments, as nginx's `rewrite` does.
    pub fn write_escaping_captures(&self, scope: &Scope<'_>, out: &mut Vec<u8>) {
        if self.looks_up_first {
            self.look_up(scope);
        }
        for part in &self.parts {
            match part {
                Part::Text(text) => out.extend_from_slice(text),
                Part::Variable(variable @ Variable::Capture(_)) => {
                    let mut raw = Vec::new();
                    scope.write(variable, &mut raw);
                    uri::escape_argument(&raw, out);
                }
                Part::Variable(variable) => _ = scope.write(variable, out),
            }
        }
    }

    /// Appends the text to a line of a log.
    pub fn write_log(&self, scope: &Scope<'_>, escape: LogEscape, out: &mut Vec<u8>) {
        for part in &self.parts {
            match part {
                Part::Text(text) => out.extend_from_slice(text),
                Part::Variable(variable) => {
                    let start = out.len();
                    if !scope.write(variable, out) && escape == LogEscape::Default {
                        out.push(b'-');
                    }
                    match escape {
                        LogEscape::Default => escape_from(out, start),
                        LogEscape::Json => escape_json_from(out, start),
                        LogEscape::None => {}
                    }
                }
            }
        }
    }
}

fn suggestion(name: &str, own: &DefinedVariables) -> Option<String> {
    let built_in: Vec<&str> = Variable::names().collect();
    closest(name, built_in.into_iter().chain(own.all()))
}

/// Escapes `out` from `start` on, as nginx's `escape=default`.
fn escape_from(out: &mut Vec<u8>, start: usize) {
    let needs = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..0x20 | 0x7f..);
    if !out[start..].iter().any(needs) {
        return;
    }
    let raw = out.split_off(start);
    for byte in raw {
        if needs(&byte) {
            out.extend_from_slice(&[b'\\', b'x', uri::hex_digit(byte >> 4), uri::hex_digit(byte & 15)]);
        } else {
            out.push(byte);
        }
    }
}

/// Escapes `out` from `start` on, as nginx's `escape=json` (RFC 8259 §7). Bytes beyond ASCII stay.
fn escape_json_from(out: &mut Vec<u8>, start: usize) {
    let needs = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..0x20);
    if !out[start..].iter().any(needs) {
        return;
    }
    let raw = out.split_off(start);
    for byte in raw {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0x08 => out.extend_from_slice(b"\\b"),
            0x0c => out.extend_from_slice(b"\\f"),
            0..0x20 => {
                out.extend_from_slice(b"\\u00");
                out.extend_from_slice(&[uri::hex_digit(byte >> 4), uri::hex_digit(byte & 15)]);
            }
            byte => out.push(byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compile(text: &str) -> Result<Template, ConfErrorKind> {
        let mut own = DefinedVariables::default();
        own.define("own");
        Template::compile(text, &own)
    }

    #[test]
    fn variables_are_taken_out_of_text() {
        for (text, parts) in [
            ("", 0),
            ("a", 1),
            ("$host", 1),
            ("a$host", 2),
            ("${host}a$HOST", 3),
            ("$host$uri/", 3),
            ("$1$2", 2),
            ("$12", 2),
            ("$own.$Own", 3),
            ("$arg_a$cookie_b$sent_http_c$upstream_http_d$http_e$upstream_cookie_f", 6),
        ] {
            assert_eq!(compile(text).unwrap().parts.len(), parts, "{text}");
        }
        assert_eq!(compile("abc").unwrap().constant(), Some(&b"abc"[..]));
        assert_eq!(compile("$host").unwrap().constant(), None);
        assert_eq!(Template::text("$host").constant(), Some(&b"$host"[..]));
        assert!(
            compile("$sent_http_a").unwrap().needs_response_head()
                && !compile("$http_a").unwrap().needs_response_head()
        );
    }

    #[test]
    fn unknown_variables_are_named() {
        for (text, message) in [
            ("$hots", "unknown \"hots\" variable\nhint: did you mean \"host\"?"),
            ("$owm", "unknown \"owm\" variable"),
            ("a $ b", "unknown \"\" variable"),
            ("${host", "unknown \"\" variable"),
            ("$0", "unknown \"0\" variable"),
            ("$cookie_", "unknown \"cookie_\" variable"),
        ] {
            assert_eq!(compile(text).unwrap_err().to_string(), message, "{text}");
        }
    }

    #[test]
    fn log_lines_cannot_be_broken() {
        let mut out = b"\"kept\" ".to_vec();
        out.extend_from_slice(b"a\"b\\c\nd\xffe");
        escape_from(&mut out, 7);
        assert_eq!(out, br#""kept" a\x22b\x5Cc\x0Ad\xFFe"#);
        let mut out = b"\"kept\" ".to_vec();
        out.extend_from_slice(b"a\"b\\c\nd\xff\x01\x08");
        escape_json_from(&mut out, 7);
        assert_eq!(out, b"\"kept\" a\\\"b\\\\c\\nd\xff\\u0001\\b");
    }
}
