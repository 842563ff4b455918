//! Reads text with placeholders: `{client}`, `{host}`, `{port}`, and `{{`, `}}` for braces.

use std::ops::Range;

use super::model::{Placeholder, Template, TemplatePart};

/// The placeholders by the names scenario files use.
pub(super) const PLACEHOLDERS: [(&str, Placeholder); 3] =
    [("client", Placeholder::Client), ("host", Placeholder::Host), ("port", Placeholder::Port)];

/// Why a text is not a template; the range is the offending part of it, in bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum TemplateError {
    /// A name that is none of [`PLACEHOLDERS`].
    #[error("unknown placeholder `{{{name}}}`")]
    Unknown {
        /// What stands between the braces.
        name: String,
        /// The placeholder, braces included.
        part: Range<usize>,
    },
    /// A brace that opens or closes nothing.
    #[error("a lone `{brace}`")]
    Lone {
        /// Which brace.
        brace: char,
        /// Its place.
        part: Range<usize>,
    },
}

impl TemplateError {
    /// The offending part of the text, in bytes.
    pub(super) fn part(&self) -> Range<usize> {
        match self {
            TemplateError::Unknown { part, .. } | TemplateError::Lone { part, .. } => part.clone(),
        }
    }
}

/// One piece of a text with names in braces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    /// As it is.
    Literal(String),
    /// A name in braces, and its place in the text, braces included.
    Name(String, Range<usize>),
}

/// Splits `text` into a template with the placeholders of checks.
pub(super) fn parse(text: &str) -> Result<Template, TemplateError> {
    let part = |piece| match piece {
        Piece::Literal(text) => Ok(TemplatePart::Text(text)),
        Piece::Name(name, part) => match PLACEHOLDERS.iter().find(|(known, _)| *known == name) {
            Some((_, placeholder)) => Ok(TemplatePart::Placeholder(*placeholder)),
            None => Err(TemplateError::Unknown { name, part }),
        },
    };
    Ok(Template { parts: split(text)?.into_iter().map(part).collect::<Result<_, _>>()? })
}

/// Splits `text` into its pieces, whatever the names.
pub(super) fn split(text: &str) -> Result<Vec<Piece>, TemplateError> {
    let mut pieces = Vec::new();
    let mut literal = String::new();
    let mut at = 0;
    while let Some(next) = text[at..].find(['{', '}']) {
        let start = at + next;
        literal.push_str(&text[at..start]);
        let rest = &text[start..];
        at = if rest.starts_with("{{") || rest.starts_with("}}") {
            literal.push_str(&rest[..1]);
            start + 2
        } else if rest.starts_with('}') {
            return Err(TemplateError::Lone { brace: '}', part: start..start + 1 });
        } else {
            let length = rest.find('}').ok_or(TemplateError::Lone { brace: '{', part: start..start + 1 })?;
            let part = start..start + length + 1;
            if !literal.is_empty() {
                pieces.push(Piece::Literal(std::mem::take(&mut literal)));
            }
            let end = part.end;
            pieces.push(Piece::Name(rest[1..length].to_owned(), part));
            end
        };
    }
    literal.push_str(&text[at..]);
    if !literal.is_empty() {
        pieces.push(Piece::Literal(literal));
    }
    Ok(pieces)
}

#[cfg(test)]
mod tests {
    use super::super::model::Placeholders;
    use super::*;

    fn filled(text: &str) -> String {
        let values = Placeholders { client: "127.0.0.1".into(), host: "localhost".into(), port: 8000 };
        parse(text).unwrap().fill(&values)
    }

    #[test]
    fn placeholders_are_filled_in_and_double_braces_are_braces() {
        assert_eq!(filled(""), "");
        assert_eq!(filled("plain"), "plain");
        assert_eq!(filled("203.0.113.9, {client}"), "203.0.113.9, 127.0.0.1");
        assert_eq!(filled("{host}:{port}"), "localhost:8000");
        assert_eq!(filled("{{\"a\": {{}}}}"), "{\"a\": {}}");
        assert_eq!(filled("{{host}}"), "{host}");
        assert_eq!(filled("ä{host}ö"), "älocalhostö");
    }

    #[test]
    fn what_is_not_a_template_says_where() {
        assert_eq!(parse("x{clent}"), Err(TemplateError::Unknown { name: "clent".into(), part: 1..8 }));
        assert_eq!(parse("{}"), Err(TemplateError::Unknown { name: String::new(), part: 0..2 }));
        assert_eq!(parse("a}b"), Err(TemplateError::Lone { brace: '}', part: 1..2 }));
        assert_eq!(parse("a{b"), Err(TemplateError::Lone { brace: '{', part: 1..2 }));
        assert_eq!(parse("{host"), Err(TemplateError::Lone { brace: '{', part: 0..1 }));
    }
}
