//! The two versions that a run compared.

use serde::{Deserialize, Serialize};

use crate::scenario::model::{Comparison, Version};

/// A run's stacks as they are and as they were. The name of an earlier version ends with `@base`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComparedVersions {
    pub base: VersionRecord,
    pub head: VersionRecord,
    /// What the reader has to know, as sentences.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// One version of the files that stacks are made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionRecord {
    /// As on the command line.
    pub name: String,
    /// The full hash of its commit, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// Whether files differed from that commit.
    pub is_modified: bool,
}

impl ComparedVersions {
    #[must_use]
    pub fn new(comparison: &Comparison) -> ComparedVersions {
        let Comparison { base, head, notes } = comparison;
        ComparedVersions { base: VersionRecord::new(base), head: VersionRecord::new(head), notes: notes.clone() }
    }
}

impl VersionRecord {
    fn new(version: &Version) -> VersionRecord {
        let Version { name, commit, is_modified, .. } = version.clone();
        VersionRecord { name, commit, is_modified }
    }
}
