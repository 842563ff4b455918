//! A step of GitHub Actions: its job summary, its annotations.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::document::DocumentErrors;
use crate::report::render::github;
use crate::report::view::annotations::{Annotation, Level, Location};

/// Names the file that a step appends its summary to.
const SUMMARY: &str = "GITHUB_STEP_SUMMARY";

/// Names the folder of the repository's checkout, which annotations are relative to.
const WORKSPACE: &str = "GITHUB_WORKSPACE";

/// The step that lab runs in.
#[derive(Debug, Clone)]
pub(super) struct GitHubStep {
    summary: PathBuf,
    workspace: PathBuf,
    /// Whether standard output holds a document, which commands would spoil.
    is_quiet: bool,
}

impl GitHubStep {
    /// The step that the environment describes. The error says how to be in one.
    pub(super) fn from_environment(is_quiet: bool) -> Result<GitHubStep, String> {
        let folder = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let Some(summary) = folder(SUMMARY) else {
            return Err(format!(
                "--github writes a job summary to the file that {SUMMARY} names, and it names none\n\
                 hint: GitHub Actions sets it for each step; elsewhere leave --github out, or take --comment FILE"
            ));
        };
        let workspace = folder(WORKSPACE).or_else(|| std::env::current_dir().ok()).unwrap_or_default();
        let workspace = std::fs::canonicalize(&workspace).unwrap_or(workspace);
        Ok(GitHubStep { summary, workspace, is_quiet })
    }

    /// A path as GitHub knows it: from the top of the repository.
    pub(super) fn path(&self, file: &Path) -> String {
        let whole = std::fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
        whole.strip_prefix(&self.workspace).unwrap_or(&whole).display().to_string()
    }

    /// Prints annotations, which the runner takes from either stream.
    pub(super) fn annotate(&self, annotations: &[Annotation]) -> io::Result<()> {
        let text = github::commands(annotations);
        match self.is_quiet {
            true => write!(io::stderr(), "{text}"),
            false => write!(io::stdout(), "{text}"),
        }
    }

    /// Appends to the summary of the step.
    pub(super) fn add_summary(&self, text: &str) -> anyhow::Result<()> {
        let file = OpenOptions::new().append(true).create(true).open(&self.summary);
        let written = file.and_then(|mut file| file.write_all(text.as_bytes()));
        written.with_context(|| format!("write the job summary to {}", self.summary.display()))
    }

    /// Annotates the mistakes of a document.
    pub(super) fn annotate_errors(&self, errors: &DocumentErrors) -> io::Result<()> {
        let found = errors.located().into_iter().map(|(file, line, message)| self.mistake(file, line, message));
        self.annotate(&found.collect::<Vec<_>>())
    }

    /// Annotates a mistake of a configuration.
    pub(super) fn annotate_mistake(&self, file: &Path, line: usize, message: String) -> io::Result<()> {
        self.annotate(&[self.mistake(file, line, message)])
    }

    fn mistake(&self, file: &Path, line: usize, message: String) -> Annotation {
        let location = Location { file: self.path(file), line };
        Annotation { level: Level::Error, location, title: "the file cannot be used".to_owned(), message }
    }
}
