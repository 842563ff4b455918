//! What reading a document answers when there is nothing to go on with.

use std::io;
use std::path::PathBuf;

use annotate_snippets::{Group, Level};

use super::diagnostic::{Diagnostic, renderer};

/// Why a document cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DocumentErrors {
    /// The file could not be read.
    #[error("cannot read the {sort} {}: {source}", file.display())]
    Unreadable {
        /// What it was read as: `scenario`, `kind`.
        sort: &'static str,
        /// As it was given.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is not text. TOML is UTF-8 by definition.
    #[error("the {sort} {} is not UTF-8: a byte on line {line} is not text", file.display())]
    NotText {
        /// What it was read as: `scenario`, `kind`.
        sort: &'static str,
        /// As it was given.
        file: PathBuf,
        /// The first such line, counted from 1.
        line: usize,
    },
    /// The file was read, and says something it must not.
    #[error("{} in the {sort} {}", count(diagnostics.len()), file.display())]
    Invalid {
        /// What it was read as: `scenario`, `kind`.
        sort: &'static str,
        /// As it was given.
        file: PathBuf,
        /// What it holds.
        text: String,
        /// What is wrong, in the file's order; never empty.
        diagnostics: Vec<Diagnostic>,
    },
    /// Several documents are wrong.
    #[error("{} documents cannot be used", .0.len())]
    Several(Vec<DocumentErrors>),
}

impl DocumentErrors {
    /// Everything for a person to read: each problem with its line of the file, a caret and a hint, an empty line
    /// between them and no newline at the end; coloured with ANSI escapes if `color`.
    #[must_use]
    pub fn render(&self, color: bool) -> String {
        match self {
            DocumentErrors::Invalid { file, text, diagnostics, .. } => {
                let path = file.display().to_string();
                let rendered: Vec<_> = diagnostics.iter().map(|one| one.render(text, &path, color)).collect();
                rendered.join("\n\n")
            }
            DocumentErrors::Several(errors) => {
                let rendered: Vec<_> = errors.iter().map(|one| one.render(color)).collect();
                rendered.join("\n\n")
            }
            other => {
                let title = Level::ERROR.primary_title(other.to_string());
                renderer(color).render(&[Group::with_title(title)])
            }
        }
    }
}

/// `1 problem`, `2 problems`.
fn count(problems: usize) -> String {
    if problems == 1 { "1 problem".to_owned() } else { format!("{problems} problems") }
}
