//! Texts with names in braces: `{name}`, and `{{`, `}}` for braces. Which names there are is for others to say.

use std::ops::Range;

/// Why a text cannot be filled in; the range is the offending part of it, in bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BracesError {
    /// A name that means nothing here.
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

impl BracesError {
    /// The offending part of the text, in bytes.
    pub(crate) fn part(&self) -> Range<usize> {
        match self {
            BracesError::Unknown { part, .. } | BracesError::Lone { part, .. } => part.clone(),
        }
    }
}

/// One piece of a text with names in braces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Piece {
    /// As it is.
    Literal(String),
    /// A name in braces, and its place in the text, braces included.
    Name(String, Range<usize>),
}

/// Splits `text` into its pieces, whatever the names.
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
