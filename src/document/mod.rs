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

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rustix::fs::OFlags;
use rustix::io::Errno;
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
    let bytes = read_file(path, MAX_BYTES).map_err(|source| DocumentErrors::Unreadable {
        sort,
        file: path.to_owned(),
        source,
    })?;
    String::from_utf8(bytes).map_err(|error| {
        let text_before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = 1 + text_before.iter().filter(|byte| **byte == b'\n').count();
        DocumentErrors::NotText { sort, file: path.to_owned(), line }
    })
}

/// More than anyone writes by hand.
const MAX_BYTES: u64 = 16 << 20;

/// The bytes of a regular file of at most `max_bytes`. Neither a pipe nor a device can make lab wait, or read forever.
///
/// # Errors
///
/// The file cannot be read, is not a regular one, or is larger.
pub fn read_file(path: &Path, max_bytes: u64) -> io::Result<Vec<u8>> {
    // Without this flag, opening a pipe waits for a writer.
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    let file = File::options().read(true).custom_flags(flags).open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_dir() {
        return Err(Errno::ISDIR.into());
    }
    if !metadata.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
    }
    let mut bytes = Vec::new();
    file.take(max_bytes.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > max_bytes {
        let message = format!("it is larger than {} MiB", max_bytes >> 20);
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
    Ok(bytes)
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
            unlisted: problems.unlisted(),
            diagnostics: problems.into_sorted(),
        }),
    }
}
