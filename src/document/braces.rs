//! Splits texts with names in braces: `{name}`, and `{{`, `}}` for braces. Callers decide which names exist.

use std::ops::Range;

/// An invalid text. The range is the offending part, in bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BracesError {
    #[error("unknown placeholder `{{{name}}}`")]
    Unknown {
        name: String,
        /// The range of the placeholder, including the braces.
        part: Range<usize>,
    },
    #[error("a lone `{brace}`")]
    Lone { brace: char, part: Range<usize> },
}

impl BracesError {
    /// The offending part of the text, in bytes.
    pub(crate) fn part(&self) -> Range<usize> {
        match self {
            BracesError::Unknown { part, .. } | BracesError::Lone { part, .. } => part.clone(),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Piece {
    Literal(String),
    /// A name, and its range in the text including the braces.
    Name(String, Range<usize>),
}

/// Splits `text` into its pieces. Accepts any name.
pub(crate) fn split(text: &str) -> Result<Vec<Piece>, BracesError> {
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
            return Err(BracesError::Lone { brace: '}', part: start..start + 1 });
        } else {
            let length = rest.find('}').ok_or(BracesError::Lone { brace: '{', part: start..start + 1 })?;
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
