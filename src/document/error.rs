//! Errors of a document that cannot be used.

use std::io;
use std::path::{Path, PathBuf};

use annotate_snippets::{Group, Level};

use super::diagnostic::{Diagnostic, LineStarts, renderer};

#[derive(Debug, thiserror::Error)]
pub enum DocumentErrors {
    #[error("cannot read the {sort} {}: {source}", file.display())]
    Unreadable {
        /// The sort of document: `scenario`, `kind`.
        sort: &'static str,
        file: PathBuf,
        source: io::Error,
    },
    /// The file is not UTF-8, which TOML requires.
    #[error("the {sort} {} is not UTF-8: a byte on line {line} is not text", file.display())]
    NotText {
        /// The sort of document: `scenario`, `kind`.
        sort: &'static str,
        file: PathBuf,
        /// The first such line, counted from 1.
        line: usize,
    },
    /// Command lines and records are text, and name the folder.
    #[error("the folder {} of the {sort} is not UTF-8; accepted: a folder whose path is text", folder.display())]
    FolderNotText {
        /// The sort of document: `scenario`, `kind`.
        sort: &'static str,
        folder: PathBuf,
    },
    #[error("{} in the {sort} {}", count(diagnostics.len() + unlisted), file.display())]
    Invalid {
        /// The sort of document: `scenario`, `kind`.
        sort: &'static str,
        file: PathBuf,
        /// The content of the file.
        text: String,
        /// In the file's order. Never empty.
        diagnostics: Vec<Diagnostic>,
        /// The number of further problems.
        unlisted: usize,
    },
    #[error("{} documents cannot be used", .0.len())]
    Several(Vec<DocumentErrors>),
}

impl DocumentErrors {
    /// Every problem with its file and line, which is 1 where only the file is known.
    #[must_use]
    pub fn located(&self) -> Vec<(&Path, usize, String)> {
        match self {
            DocumentErrors::Invalid { file, text, diagnostics, .. } => {
                let lines = LineStarts::new(text);
                let located = diagnostics.iter();
                located
                    .map(|one| (file.as_path(), 1 + lines.line_of(one.span().start), one.message_with_hint()))
                    .collect()
            }
            DocumentErrors::Several(errors) => errors.iter().flat_map(DocumentErrors::located).collect(),
            DocumentErrors::NotText { file, line, .. } => vec![(file.as_path(), *line, self.to_string())],
            DocumentErrors::Unreadable { file, .. } | DocumentErrors::FolderNotText { folder: file, .. } => {
                vec![(file.as_path(), 1, self.to_string())]
            }
        }
    }

    /// Every problem with its line of the file, a caret and a hint, separated by empty lines and without a final newline.
    /// ANSI colours if `color`.
    #[must_use]
    pub fn render(&self, color: bool) -> String {
        match self {
            DocumentErrors::Invalid { file, text, diagnostics, unlisted, .. } => {
                let path = file.display().to_string();
                let lines = LineStarts::new(text);
                let mut rendered: Vec<_> = diagnostics.iter().map(|one| one.render(&lines, &path, color)).collect();
                if *unlisted > 0 {
                    rendered.push(format!("{path}: {} more", count(*unlisted)));
                }
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
