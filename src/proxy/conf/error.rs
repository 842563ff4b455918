//! What can be wrong with a configuration, in words that name the place, the thing and what would be accepted.

use std::path::{Path, PathBuf};

use thiserror::Error;

/// A configuration that is refused: where, and why.
#[derive(Debug, Error)]
#[error("{}:{line}: {kind}", file.display())]
pub struct ConfError {
    /// The file as it was named to the reader.
    pub file: PathBuf,
    /// The line, counted from 1.
    pub line: usize,
    /// What is wrong.
    #[source]
    pub kind: ConfErrorKind,
}

impl ConfError {
    /// An error at a line of a file.
    pub(crate) fn new(file: &Path, line: usize, kind: ConfErrorKind) -> ConfError {
        ConfError { file: file.to_owned(), line, kind }
    }
}

/// The ways in which a configuration can be wrong.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConfErrorKind {
    /// A character of the language stands where it cannot.
    #[error("unexpected {0:?}")]
    Unexpected(char),
    /// The file ends inside a directive, a quoted word or a block.
    #[error("unexpected end of file, expecting {expecting}")]
    UnexpectedEnd {
        /// What the reader was waiting for.
        expecting: &'static str,
    },
}
