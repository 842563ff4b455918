//! TOML documents that people write, with the location of every key and value.
//!
//! [`DocumentErrors`] holds every problem of a document, each with its line, a caret and a hint. This module knows the types of
//! values, tables with a closed set of keys, and messages; callers know what a document means.

pub(crate) mod braces;
pub(crate) mod diagnostic;
pub(crate) mod read;
pub(crate) mod suggest;
pub(crate) mod table;
mod error;

use std::fs;
use std::path::Path;

use toml::de::DeTable;

use diagnostic::{Problems, Span};

pub use diagnostic::Diagnostic;
pub use error::DocumentErrors;

/// Reads a file. `sort` is the word for it in messages.
///
/// # Errors
///
/// The file cannot be read, or is not UTF-8.
pub fn read_text(sort: &'static str, path: &Path) -> Result<String, DocumentErrors> {
    let bytes = fs::read(path).map_err(|source| DocumentErrors::Unreadable { sort, file: path.to_owned(), source })?;
    String::from_utf8(bytes).map_err(|error| {
        let text_before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = 1 + text_before.iter().filter(|byte| **byte == b'\n').count();
        DocumentErrors::NotText { sort, file: path.to_owned(), line }
    })
}

/// Parses a document as TOML and resolves it.
///
/// # Errors
///
/// [`DocumentErrors::Invalid`] with every problem. If the text is not TOML, only its syntax errors.
pub(crate) fn parse<T>(
    sort: &'static str,
    source: &str,
    file: &Path,
    resolve: impl FnOnce(&DeTable<'_>, Span, &mut Problems<'_>) -> Option<T>,
) -> Result<T, DocumentErrors> {
    let mut problems = Problems::new(source);
    let (document, syntax_errors) = DeTable::parse_recoverable(source);
    for error in syntax_errors {
        let end = source.len();
        problems.push(Diagnostic::at(error.span().unwrap_or(end..end), format!("not TOML: {}", error.message())));
    }
    let resolved = match problems.is_empty() {
        true => resolve(document.get_ref(), document.span(), &mut problems),
        false => None,
    };
    match resolved {
        Some(resolved) if problems.is_empty() => Ok(resolved),
        _ => Err(DocumentErrors::Invalid {
            sort,
            file: file.to_owned(),
            text: source.to_owned(),
            diagnostics: problems.into_sorted(),
        }),
    }
}
