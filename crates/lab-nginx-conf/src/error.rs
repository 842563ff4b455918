//! What can be wrong with a configuration, in words that name the place, the thing and what would be accepted.

use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::context::Context;

/// A configuration that is refused: where, and why.
#[derive(Debug, Error)]
#[error("{}{kind}", place(file, *line))]
pub struct ConfError {
    /// The file as it was named to the reader.
    pub file: PathBuf,
    /// The line, counted from 1; none if there is no file to have lines.
    pub line: Option<usize>,
    /// What is wrong.
    pub kind: ConfErrorKind,
}

impl ConfError {
    /// An error at a line of a file.
    pub fn new(file: &Path, line: usize, kind: ConfErrorKind) -> ConfError {
        ConfError { file: file.to_owned(), line: Some(line), kind }
    }
}

fn place(file: &Path, line: Option<usize>) -> String {
    line.map_or_else(String::new, |line| format!("{}:{line}: ", file.display()))
}

/// The ways in which a configuration can be wrong. The wording follows nginx where nginx says the same thing.
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
    /// A file, named on the command line or by `include`, cannot be read.
    #[error("cannot read {}: {source}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Files include each other without end.
    #[error("include of {} nests too deep", file.display())]
    IncludedTooDeep {
        /// The file that was not read any more.
        file: PathBuf,
    },
    /// No directive of that name is supported.
    #[error("unknown directive \"{name}\"{}", suggestion(hint.as_deref()))]
    UnknownDirective {
        /// The name as written.
        name: String,
        /// A supported name that is close.
        hint: Option<String>,
    },
    /// A directive that nginx has and lab has not.
    #[error("directive \"{name}\" is one of nginx's that is not supported")]
    UnsupportedDirective {
        /// The directive.
        name: String,
    },
    /// A directive stands in a block where it has no meaning.
    #[error("\"{name}\" directive is not allowed in {context}; it belongs in {}", in_words(allowed))]
    NotAllowedHere {
        /// The directive.
        name: String,
        /// Where it stands.
        context: Context,
        /// Where it could stand.
        allowed: Vec<Context>,
    },
    /// A directive that opens a block ends with `;`.
    #[error("directive \"{name}\" has no opening \"{{\"")]
    NoBlock {
        /// The directive.
        name: String,
    },
    /// A directive without a block opens one.
    #[error("directive \"{name}\" is not terminated by \";\"")]
    NotABlock {
        /// The directive.
        name: String,
    },
    /// Too few or too many arguments.
    #[error("invalid number of arguments in \"{name}\" directive: it takes {accepted}, not {found}")]
    Arguments {
        /// The directive.
        name: String,
        /// How many it takes, in words.
        accepted: String,
        /// How many there are.
        found: usize,
    },
    /// A directive that may stand once in a block stands there again.
    #[error("\"{name}\" directive is duplicate")]
    Duplicate {
        /// The directive.
        name: String,
    },
    /// Two things of one name, or two claims to one place.
    #[error("duplicate {what} \"{name}\"")]
    DuplicateName {
        /// What kind of thing.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// A value that the directive does not accept.
    #[error("invalid value \"{value}\" in \"{name}\" directive; accepted: {accepted}")]
    InvalidValue {
        /// The directive.
        name: String,
        /// The value as written.
        value: String,
        /// What would be accepted.
        accepted: &'static str,
    },
    /// Something nginx understands and lab does not.
    #[error("{what} in \"{name}\" directive is not supported; accepted: {accepted}")]
    Unsupported {
        /// The directive.
        name: String,
        /// What of it.
        what: String,
        /// What would be accepted.
        accepted: &'static str,
    },
    /// A template names a variable that does not exist.
    #[error("unknown \"{name}\" variable{}", suggestion(hint.as_deref()))]
    UnknownVariable {
        /// The name without its `$`.
        name: String,
        /// A supported name that is close.
        hint: Option<String>,
    },
    /// A regular expression that cannot be compiled.
    #[error("regular expression \"{pattern}\" in \"{name}\" directive {problem}")]
    Pattern {
        /// The directive.
        name: String,
        /// The expression as written.
        pattern: String,
        /// What is wrong with it, as the end of a sentence.
        problem: String,
    },
    /// Directives or parameters that contradict each other.
    #[error("{0}")]
    Conflict(String),
    /// An `access_log` names a format that no `log_format` defines.
    #[error("unknown log format \"{name}\"{}", suggestion(hint.as_deref()))]
    UnknownLogFormat {
        /// The name.
        name: String,
        /// A defined format that is close.
        hint: Option<String>,
    },
    /// A host name that does not resolve.
    #[error("host not found in \"{name}\" directive: \"{host}\"{}", suggestion(hint.as_deref()))]
    HostNotFound {
        /// The directive.
        name: String,
        /// The host as written.
        host: String,
        /// A defined upstream that is close.
        hint: Option<String>,
    },
    /// An `upstream` without a `server`.
    #[error("no servers are inside upstream \"{name}\"")]
    EmptyUpstream {
        /// The upstream's name.
        name: String,
    },
    /// A file without an `events` or `http` block.
    #[error("no \"{name}\" section in configuration")]
    MissingSection {
        /// The block.
        name: &'static str,
    },
}

/// The line that names something close to what was written, or nothing.
fn suggestion(hint: Option<&str>) -> String {
    hint.map(|hint| format!("\nhint: did you mean \"{hint}\"?")).unwrap_or_default()
}

fn in_words(contexts: &[Context]) -> String {
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

/// The candidate closest to `written`, if any is close enough to be a slip of the pen.
pub fn closest<'a>(written: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    candidates
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(written, candidate), candidate))
        .filter(|(similarity, _)| *similarity > 0.9)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, candidate)| candidate.to_owned())
}
