use super::DefinedVariables;
use super::unsupported;
use super::variable::Variable;
use lab_nginx_conf::{ConfErrorKind, closest};

/// Text with variables, parsed once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    pub(crate) parts: Box<[TemplatePart]>,
    /// Whether variables are looked up before any part is written: as in nginx, a regular expression of a `map` sets
    /// `$1` for the whole text, also in front of its variable.
    pub(crate) looks_up_first: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TemplatePart {
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
                parts.push(TemplatePart::Text(rest.as_bytes()[..dollar].into()));
            }
            let after = &rest[dollar + 1..];
            if let Some(digit @ b'1'..=b'9') = after.bytes().next() {
                parts.push(TemplatePart::Variable(Variable::Capture(usize::from(digit - b'0'))));
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
            let variable = Variable::from_name(name, own);
            parts.push(TemplatePart::Variable(variable.ok_or_else(|| unknown(name, own))?));
            rest = behind;
        }
        if !rest.is_empty() {
            parts.push(TemplatePart::Text(rest.as_bytes().into()));
        }
        let has = |is_it: fn(&Variable) -> bool| {
            parts.iter().any(|part| matches!(part, TemplatePart::Variable(variable) if is_it(variable)))
        };
        let looks_up_first = has(|variable| matches!(variable, Variable::Capture(_)))
            && has(|variable| matches!(variable, Variable::Defined(_)));
        Ok(Template { parts: parts.into(), looks_up_first })
    }

    /// Text in which `$` has no special meaning.
    #[must_use]
    pub fn text(text: &str) -> Template {
        Template { parts: [TemplatePart::Text(text.as_bytes().into())].into(), looks_up_first: false }
    }

    /// The text, if it has no variables.
    #[must_use]
    pub fn constant(&self) -> Option<&[u8]> {
        match &self.parts[..] {
            [] => Some(b""),
            [TemplatePart::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// Whether it reads the head of a response. Heads are kept only if something does.
    #[must_use]
    pub fn needs_response_head(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, TemplatePart::Variable(variable) if variable.is_in_response_head()))
    }

    /// Whether it reads the body of the request. Bodies are kept only if something does.
    #[must_use]
    pub fn needs_request_body(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, TemplatePart::Variable(variable) if variable.is_request_body()))
    }
}

fn unknown(name: &str, own: &DefinedVariables) -> ConfErrorKind {
    match unsupported::advice(name) {
        Some(advice) => ConfErrorKind::UnsupportedVariable { name: name.to_owned(), advice },
        None => ConfErrorKind::UnknownVariable { name: name.to_owned(), hint: suggestion(name, own) },
    }
}

fn suggestion(name: &str, own: &DefinedVariables) -> Option<String> {
    let built_in: Vec<&str> = Variable::names().collect();
    closest(name, built_in.into_iter().chain(own.all()))
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
    fn templates_are_split_at_variables() {
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
    fn unknown_variables_are_refused() {
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
}
