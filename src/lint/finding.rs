//! What a rule found, and where.

use std::ops::Range;
use std::path::PathBuf;

use serde::Serialize;

use super::rule::{Rule, Severity};

/// One fault of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The rule's name.
    pub rule: &'static str,
    /// How much it matters.
    pub severity: Severity,
    /// Where.
    #[serde(flatten)]
    pub place: Place,
    /// What is wrong there, in one sentence without a full stop.
    pub message: String,
    /// What comes of it.
    pub why: &'static str,
    /// What to write instead, for this very place.
    pub fix: String,
}

/// A place in a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Place {
    /// The file as it was named, or as its `include` named it.
    pub file: PathBuf,
    /// The line, counted from 1.
    pub line: usize,
    /// The bytes of the file it is about.
    #[serde(skip)]
    pub span: Range<usize>,
}

impl Finding {
    /// What `rule` has against `place`.
    pub(super) fn new(rule: &Rule, place: Place, message: impl Into<String>, fix: impl Into<String>) -> Finding {
        Finding {
            rule: rule.name,
            severity: rule.severity,
            place,
            message: message.into(),
            why: rule.why,
            fix: fix.into(),
        }
    }
}
