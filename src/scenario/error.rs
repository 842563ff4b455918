//! What [`load`](super::load()) and [`parse`](super::parse) answer when they have no scenario.

use std::io;
use std::path::PathBuf;

use annotate_snippets::{Group, Level};

use super::diagnostic::{Diagnostic, renderer};

/// Why there is no scenario.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioErrors {
    /// The file could not be read.
    #[error("cannot read the scenario {}: {source}", file.display())]
    Unreadable {
        /// As it was given.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is not text. TOML is UTF-8 by definition.
    #[error("the scenario {} is not UTF-8: a byte on line {line} is not text", file.display())]
    NotText {
        /// As it was given.
        file: PathBuf,
        /// The first such line, counted from 1.
        line: usize,
    },
    /// The file was read, and says something it must not.
    #[error("{} in the scenario {}", count(diagnostics.len()), file.display())]
    Invalid {
        /// As it was given.
        file: PathBuf,
        /// What it holds.
        text: String,
        /// What is wrong, in the file's order; never empty.
        diagnostics: Vec<Diagnostic>,
    },
}

impl ScenarioErrors {
    /// Everything for a person to read: each problem with its line of the file, a caret and a hint, an empty line
    /// between them and no newline at the end; coloured with ANSI escapes if `color`.
    #[must_use]
    pub fn render(&self, color: bool) -> String {
        match self {
            ScenarioErrors::Invalid { file, text, diagnostics } => {
                let path = file.display().to_string();
                let rendered: Vec<_> = diagnostics.iter().map(|one| one.render(text, &path, color)).collect();
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
