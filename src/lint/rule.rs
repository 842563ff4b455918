//! The rules: their names, how much they matter, and why they exist.

use serde::Serialize;

use super::{nginx, python};

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The file does something else than it seems to say, or lets anyone do what only some may.
    Error,
    /// It works, until somebody does what is usual elsewhere.
    Warning,
    /// It works; a reader should know.
    Advice,
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Its name: lower case, words joined by hyphens.
    pub name: &'static str,
    /// How much what it finds matters.
    pub severity: Severity,
    /// What comes of it when it is broken.
    pub why: &'static str,
    /// Where that is said: documentation, RFC section, vulnerability.
    pub source: &'static str,
}

/// All rules, by the kind of file they look at.
#[must_use]
pub fn rules() -> Vec<&'static Rule> {
    [nginx::RULES, python::RULES].concat()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_given_once_and_texts_are_sentences() {
        let names: BTreeSet<_> = rules().iter().map(|rule| rule.name).collect();
        assert_eq!(names.len(), rules().len());
        for rule in rules() {
            assert!(rule.name.chars().all(|c| c.is_ascii_lowercase() || c == '-'), "{}", rule.name);
            assert!(!rule.why.ends_with('.') && !rule.why.is_empty() && !rule.source.is_empty(), "{}", rule.name);
        }
    }
}
