//! A rule: its name, its severity, and its reason.

use serde::Serialize;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The file does not do what it seems to say, or it gives clients rights that they should not have.
    Error,
    /// The file works, but a common change or request breaks it.
    Warning,
    /// The file works. A reader should know.
    Advice,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Lower case, words joined by hyphens.
    pub name: &'static str,
    pub severity: Severity,
    /// The consequence of breaking the rule.
    pub why: &'static str,
    /// Documentation, RFC section or vulnerability.
    pub source: &'static str,
}
