//! A comparison of a scenario's stacks with their earlier versions.

use std::path::PathBuf;

/// Separates the name of a stack from that of its earlier version. A scenario's own names cannot contain it.
const EARLIER: &str = "@base";

/// The two versions that a comparison runs side by side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    pub base: Version,
    pub head: Version,
    /// What the reader of the result has to know, as sentences.
    pub notes: Vec<String>,
}

/// One version of the files that stacks are made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// As the user named it: a revision, a folder, or `the working tree`.
    pub name: String,
    /// The full hash of its commit, if it has one.
    pub commit: Option<String>,
    /// Whether files differ from that commit.
    pub is_modified: bool,
    /// The lab binary that plays lab's own kinds, if it is not the running one.
    pub lab: Option<PathBuf>,
}

/// The version that a stack of a comparison belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StackVersion {
    /// As it is now.
    Head {
        /// The name of the stack that it is compared with; `None` if the base has no such stack.
        base: Option<String>,
    },
    /// As it was.
    Base {
        /// The folder of its files.
        root: PathBuf,
        /// The folder of the same files as they are now. Responses that name one or the other do not differ.
        head_root: PathBuf,
        /// As in [`Version`].
        lab: Option<PathBuf>,
    },
}

/// The name of the earlier version of a stack.
#[must_use]
pub fn base_name(stack: &str) -> String {
    format!("{stack}{EARLIER}")
}

/// The stack whose earlier version has this name, if it is one's.
#[must_use]
pub fn head_name(stack: &str) -> Option<&str> {
    stack.strip_suffix(EARLIER)
}
