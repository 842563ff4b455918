//! The errors of a configuration. Messages have the file and line, the fault, and the accepted values.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::context::Context;

#[derive(Debug, Error)]
#[error("{}{kind}{}", prefix(file, *line), list(further.as_deref()))]
pub struct ConfError {
    /// The path as the reader got it.
    pub file: PathBuf,
    /// Counted from 1; none if the file could not be read.
    pub line: Option<usize>,
    pub kind: ConfErrorKind,
    /// The other errors of the configuration, in file order.
    pub further: Option<Box<FurtherErrors>>,
}

/// Errors besides the first. Apart from it, so that a result with an error stays small.
#[derive(Debug)]
pub struct FurtherErrors {
    pub list: Vec<ConfError>,
}

impl ConfError {
    pub fn new(file: &Path, line: usize, kind: ConfErrorKind) -> ConfError {
        ConfError { file: file.to_owned(), line: Some(line), kind, further: None }
    }

    /// The error of a file that could not be read.
    pub fn of_file(file: &Path, kind: ConfErrorKind) -> ConfError {
        ConfError { file: file.to_owned(), line: None, kind, further: None }
    }

    /// The error and the further ones, each alone.
    #[must_use]
    pub fn into_list(mut self) -> Vec<ConfError> {
        let further = self.further.take();
        let mut list = vec![self];
        list.extend(further.into_iter().flat_map(|further| further.list));
        list
    }

    /// Makes one error of several; none if there are none. Repeated ones are dropped.
    pub fn join(errors: Vec<ConfError>) -> Option<ConfError> {
        let mut seen = HashSet::new();
        let mut errors = errors.into_iter().filter(|error| seen.insert(error.to_string()));
        let mut first = errors.next()?;
        let mut list: Vec<ConfError> = first.further.take().into_iter().flat_map(|further| further.list).collect();
        list.extend(errors);
        first.further = (!list.is_empty()).then(|| Box::new(FurtherErrors { list }));
        Some(first)
    }
}

fn list(further: Option<&FurtherErrors>) -> String {
    further.iter().flat_map(|further| &further.list).map(|error| format!("\n{error}")).collect()
}

fn prefix(file: &Path, line: Option<usize>) -> String {
    line.map_or_else(String::new, |line| format!("{}:{line}: ", file.display()))
}

/// Messages have nginx's wording where nginx reports the same fault.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConfErrorKind {
    #[error("unexpected {0:?}")]
    UnexpectedCharacter(char),
    /// The file ends inside a directive, a quoted word or a block.
    #[error("unexpected end of file, expecting {expecting}")]
    UnexpectedEnd { expecting: &'static str },
    /// A file, named on the command line or by `include`, cannot be read.
    #[error("cannot read {}: {source}", file.display())]
    Unreadable { file: PathBuf, source: std::io::Error },
    /// The parser would need too much stack for it.
    #[error("blocks are nested more than {limit} deep")]
    BlocksTooDeep { limit: usize },
    /// Probably files include each other in a cycle.
    #[error("include of {} nests too deep", file.display())]
    IncludeTooDeep { file: PathBuf },
    #[error("unknown directive \"{name}\"{}", suggestion(hint.as_deref()))]
    UnknownDirective {
        name: String,
        /// A similar name.
        hint: Option<String>,
    },
    /// A directive of nginx that lab does not support.
    #[error("nginx directive \"{name}\" is not supported\nhint: {advice}")]
    UnsupportedDirective {
        name: String,
        /// What to use instead, as sentences.
        advice: &'static str,
    },
    #[error("\"{name}\" directive is not allowed in {context}; it belongs in {}", join_contexts(allowed))]
    MisplacedDirective { name: String, context: Context, allowed: Vec<Context> },
    #[error("directive \"{name}\" has no opening \"{{\"")]
    MissingBlock { name: String },
    #[error("directive \"{name}\" is not terminated by \";\"")]
    UnexpectedBlock { name: String },
    #[error("invalid number of arguments in \"{name}\" directive: it takes {accepted}, not {found}")]
    ArgumentCount { name: String, accepted: String, found: usize },
    /// A block has a directive twice that it may have once.
    #[error("\"{name}\" directive is duplicate")]
    Duplicate { name: String },
    /// A name that must be unique is used twice.
    #[error("duplicate {what} \"{name}\"")]
    DuplicateName { what: &'static str, name: String },
    #[error("invalid value \"{value}\" in \"{name}\" directive; accepted: {accepted}")]
    InvalidValue { name: String, value: String, accepted: &'static str },
    /// A parameter or value of nginx that lab does not support.
    #[error("{what} in \"{name}\" directive is not supported; accepted: {accepted}")]
    Unsupported { name: String, what: String, accepted: &'static str },
    /// A variable of nginx that lab does not support.
    #[error("nginx variable \"{name}\" is not supported\nhint: {advice}")]
    UnsupportedVariable {
        /// The name without its `$`.
        name: String,
        /// What to use instead, as sentences.
        advice: &'static str,
    },
    #[error("unknown \"{name}\" variable{}", suggestion(hint.as_deref()))]
    UnknownVariable {
        /// The name without its `$`.
        name: String,
        /// A similar name.
        hint: Option<String>,
    },
    #[error("regular expression \"{pattern}\" in \"{name}\" directive {problem}")]
    InvalidPattern {
        name: String,
        pattern: String,
        /// The end of the sentence.
        problem: Box<str>,
    },
    /// Directives or parameters that contradict each other.
    #[error("{0}")]
    Conflict(String),
    /// A file that a directive names cannot be used.
    #[error("{0}")]
    UnusableFile(String),
    #[error("unknown log format \"{name}\"{}", suggestion(hint.as_deref()))]
    UnknownLogFormat {
        name: String,
        /// A similar defined format.
        hint: Option<String>,
    },
    #[error("host not found in \"{name}\" directive: \"{host}\"{}", suggestion(hint.as_deref()))]
    HostNotFound {
        name: String,
        host: String,
        /// A similar defined upstream.
        hint: Option<Box<str>>,
    },
    #[error("no servers are inside upstream \"{name}\"")]
    EmptyUpstream { name: String },
    #[error("no \"{name}\" section in configuration")]
    MissingSection { name: &'static str },
}

/// The line with the hint; empty without one.
fn suggestion(hint: Option<&str>) -> String {
    hint.map(|hint| format!("\nhint: did you mean \"{hint}\"?")).unwrap_or_default()
}

fn join_contexts(contexts: &[Context]) -> String {
    let mut words = String::new();
    for (index, context) in contexts.iter().enumerate() {
        let joint = match index {
            0 => "",
            _ if index + 1 == contexts.len() => " or ",
            _ => ", ",
        };
        words.push_str(joint);
        words.push_str(context.as_str());
    }
    words
}

/// The candidate most similar to `written`, if any is similar enough to be a misspelling.
pub fn closest<'a>(written: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    candidates
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(written, candidate), candidate))
        .filter(|(similarity, _)| *similarity > 0.9)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, candidate)| candidate.to_owned())
}
