//! Reads text with placeholders: `{client}`, `{host}`, `{port}`, names of extracted values, and `{{`, `}}` for braces.

use super::model::{Placeholder, TextTemplate, TextTemplatePart};
use crate::document::braces::{BracesError, Piece, split};

/// The placeholders by the names scenario files use.
pub(super) const PLACEHOLDERS: [(&str, Placeholder); 3] =
    [("client", Placeholder::Client), ("host", Placeholder::Host), ("port", Placeholder::Port)];

/// `extracted` are the names of the values that earlier steps of the sequence extract.
pub(super) fn parse(text: &str, extracted: &[String]) -> Result<TextTemplate, BracesError> {
    let part = |piece| match piece {
        Piece::Literal(text) => Ok(TextTemplatePart::Text(text)),
        Piece::Name(name, part) => match PLACEHOLDERS.iter().find(|(known, _)| *known == name) {
            Some((_, placeholder)) => Ok(TextTemplatePart::Placeholder(*placeholder)),
            None if extracted.contains(&name) => Ok(TextTemplatePart::Value(name)),
            None => Err(BracesError::Unknown { name, part }),
        },
    };
    Ok(TextTemplate { parts: split(text)?.into_iter().map(part).collect::<Result<_, _>>()? })
}

#[cfg(test)]
mod tests {
    use super::super::model::Placeholders;
    use super::*;

    fn filled(text: &str) -> String {
        let values = Placeholders {
            client: "127.0.0.1".into(),
            host: "localhost".into(),
            port: 8000,
            extracted: [("token".to_owned(), "t0k3n".to_owned())].into(),
        };
        parse(text, &["token".to_owned()]).unwrap().fill(&values)
    }

    #[test]
    fn placeholders_are_replaced_and_braces_unescaped() {
        assert_eq!(filled(""), "");
        assert_eq!(filled("plain"), "plain");
        assert_eq!(filled("203.0.113.9, {client}"), "203.0.113.9, 127.0.0.1");
        assert_eq!(filled("{host}:{port}"), "localhost:8000");
        assert_eq!(filled("{{\"a\": {{}}}}"), "{\"a\": {}}");
        assert_eq!(filled("{{host}}"), "{host}");
        assert_eq!(filled("ä{host}ö"), "älocalhostö");
        assert_eq!(filled("/items?token={token}"), "/items?token=t0k3n");
    }

    #[test]
    fn invalid_templates_report_the_position() {
        assert_eq!(parse("x{clent}", &[]), Err(BracesError::Unknown { name: "clent".into(), part: 1..8 }));
        assert_eq!(parse("{}", &[]), Err(BracesError::Unknown { name: String::new(), part: 0..2 }));
        assert_eq!(parse("a}b", &[]), Err(BracesError::Lone { brace: '}', part: 1..2 }));
        assert_eq!(parse("a{b", &[]), Err(BracesError::Lone { brace: '{', part: 1..2 }));
        assert_eq!(parse("{host", &[]), Err(BracesError::Lone { brace: '{', part: 0..1 }));
    }
}
