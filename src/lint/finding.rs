//! A finding, and its location.

use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::{Serialize, Serializer};

use super::rule::{Rule, Severity};

/// One fault of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The rule's name.
    pub rule: &'static str,
    pub severity: Severity,
    #[serde(flatten)]
    pub location: SourceLocation,
    /// The fault in one sentence, without a full stop.
    pub message: String,
    /// The consequence.
    pub why: &'static str,
    /// What to write instead.
    pub fix: String,
    /// The changes of the file that `--fix` writes. Empty if a person has to decide.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub edits: Vec<Edit>,
}

/// A replacement in the finding's file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Edit {
    /// In bytes of the file.
    pub span: Range<usize>,
    pub replacement: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SourceLocation {
    /// The path from the command line, or from an `include`.
    #[serde(serialize_with = "displayed")]
    pub file: PathBuf,
    /// Counted from 1.
    pub line: usize,
    /// In bytes of the file.
    #[serde(skip)]
    pub span: Range<usize>,
}

/// A path as it is displayed: one that is not UTF-8 must not cost the whole output.
fn displayed<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&path.display())
}

impl Finding {
    pub(super) fn new(
        rule: &Rule,
        location: SourceLocation,
        message: impl Into<String>,
        fix: impl Into<String>,
    ) -> Finding {
        Finding {
            rule: rule.name,
            severity: rule.severity,
            location,
            message: message.into(),
            why: rule.why,
            fix: fix.into(),
            edits: Vec::new(),
        }
    }

    /// The same finding with one more change for `--fix`.
    #[must_use]
    pub(super) fn with_edit(mut self, span: Range<usize>, replacement: impl Into<String>) -> Finding {
        self.edits.push(Edit { span, replacement: replacement.into() });
        self
    }
}
